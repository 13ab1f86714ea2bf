-- The reference clinical tables: what the demo and the tests protect. A customer protects their own tables in the same
-- way. No installation of a customer's gets these.

create table public.patients (
  tenant_id uuid not null references tenancy.tenant,
  id uuid not null,
  mrn text not null,
  first_name text not null,
  last_name text not null,
  birth_date date,
  phone text,
  email text,
  address text,
  state text,
  created_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, id)
);
-- tenancy.unguarded says why
create index patients_last_name on public.patients (tenant_id, last_name) where num_nulls(last_name) <> 2;

create table public.appointments (
  tenant_id uuid not null,
  id uuid not null,
  patient_id uuid not null,
  provider_id uuid not null references tenancy.users,
  scheduled_at timestamptz not null,
  cancelled_at timestamptz,
  reason text,
  booked_by uuid references tenancy.users,
  created_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, id),
  foreign key (tenant_id, patient_id) references public.patients (tenant_id, id)
);

create table public.encounters (
  tenant_id uuid not null,
  id uuid not null,
  patient_id uuid not null,
  provider_id uuid not null references tenancy.users,
  started_at timestamptz not null,
  ended_at timestamptz,
  reason text,
  recorded_by uuid references tenancy.users,
  created_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, id),
  foreign key (tenant_id, patient_id) references public.patients (tenant_id, id)
);

create table public.notes (
  tenant_id uuid not null,
  id uuid not null,
  patient_id uuid not null,
  encounter_id uuid,
  author_id uuid references tenancy.users,
  body text not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, id),
  foreign key (tenant_id, patient_id) references public.patients (tenant_id, id),
  foreign key (tenant_id, encounter_id) references public.encounters (tenant_id, id)
);

create table public.attachments (
  tenant_id uuid not null,
  id uuid not null,
  patient_id uuid not null,
  file_name text not null,
  media_type text not null,
  storage_key text not null,
  sha256 bytea,
  created_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, id),
  foreign key (tenant_id, patient_id) references public.patients (tenant_id, id)
);

create table public.messages (
  tenant_id uuid not null,
  id uuid not null,
  patient_id uuid not null,
  provider_id uuid not null references tenancy.users,
  sender text not null check (sender in ('patient', 'provider')),
  body text not null,
  -- only what the patient sent means care
  from_patient uuid generated always as (case when sender = 'patient' then patient_id end) stored,
  sent_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, id),
  foreign key (tenant_id, patient_id) references public.patients (tenant_id, id)
);

create table public.claims (
  tenant_id uuid not null,
  id uuid not null,
  patient_id uuid not null,
  encounter_id uuid,
  payer text not null,
  code text not null,
  amount_cents bigint not null check (amount_cents >= 0),
  handled_by uuid references tenancy.users,
  submitted_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, id),
  foreign key (tenant_id, patient_id) references public.patients (tenant_id, id),
  foreign key (tenant_id, encounter_id) references public.encounters (tenant_id, id)
);
select tenancy.protect('public.patients', 'id');
select tenancy.protect(t, 'patient_id')
from unnest(array[
  'public.appointments', 'public.encounters', 'public.notes', 'public.attachments', 'public.messages', 'public.claims'
]::regclass[]) t;
select tenancy.relate(
  'public.appointments', 'appointment',
  '{"user": "provider_id", "patient": "patient_id", "from": "scheduled_at", "author": "booked_by", "void": '
    '"cancelled_at", "known": "created_at"}'
);
select tenancy.relate(
  'public.encounters', 'encounter',
  '{"user": "provider_id", "patient": "patient_id", "from": "started_at", "to": "ended_at", "author": "recorded_by", '
    '"known": "created_at"}'
);
select tenancy.relate(
  'public.messages', 'message',
  '{"user": "provider_id", "patient": "from_patient", "from": "sent_at", "known": "sent_at", "author": "from_patient"}'
);
select tenancy.relate(
  'public.claims', 'claim',
  '{"user": "handled_by", "patient": "patient_id", "from": "submitted_at", "known": "submitted_at"}'
);
select tenancy.permit(r, t, array['view', 'create', 'modify', 'delete', 'export'])
from unnest(array['clinician']) r,
  unnest(array[
    'public.patients', 'public.appointments', 'public.encounters', 'public.notes', 'public.attachments',
    'public.messages', 'public.claims'
  ]::regclass[]) t;
select tenancy.permit('nurse', t, array['view', 'create', 'modify'])
from unnest(array[
  'public.patients', 'public.appointments', 'public.encounters', 'public.notes', 'public.attachments', 'public.messages'
]::regclass[]) t;
select tenancy.permit('front_desk', t, array['view', 'create', 'modify'])
from unnest(array['public.patients', 'public.appointments']::regclass[]) t;
select tenancy.permit('billing', 'public.patients', array['view']),
  tenancy.permit('billing', 'public.encounters', array['view']),
  tenancy.permit('billing', 'public.claims', array['view', 'create', 'modify', 'export']);
select tenancy.permit('records', t, array['view', 'export'])
from unnest(array[
  'public.patients', 'public.appointments', 'public.encounters', 'public.notes', 'public.attachments', 'public.messages'
]::regclass[]) t;
select tenancy.permit('service', t, array['view', 'create', 'modify', 'export'])
from unnest(array[
  'public.patients', 'public.appointments', 'public.encounters', 'public.notes', 'public.attachments',
  'public.messages', 'public.claims'
]::regclass[]) t;
select tenancy.permit('patient', t, array['view'])
from unnest(array[
  'public.patients', 'public.appointments', 'public.encounters', 'public.notes', 'public.attachments',
  'public.messages', 'public.claims'
]::regclass[]) t;
select tenancy.permit('patient', 'public.messages', array['create']);

-- The care team of a patient, as a reference table: whoever has a part in somebody's care without an appointment or an
-- encounter of their own.
create table public.care_team (
  tenant_id uuid not null, id uuid not null, patient_id uuid not null, member_id uuid not null references tenancy.users,
  from_at timestamptz not null, to_at timestamptz, added_by uuid references tenancy.users,
  created_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, id), foreign key (tenant_id, patient_id) references public.patients (tenant_id, id)
);
select tenancy.protect('public.care_team', 'patient_id');
select tenancy.relate(
  'public.care_team', 'care_team',
  '{"user": "member_id", "patient": "patient_id", "from": "from_at", "to": "to_at", "author": "added_by", "known": '
    '"created_at"}'
);
select tenancy.permit(r, 'public.care_team', array['view', 'create', 'modify', 'delete'])
from unnest(array['clinician', 'front_desk']) r;
select tenancy.permit(r, 'public.care_team', array['view'])
from unnest(array['nurse', 'records', 'service', 'patient']) r;
