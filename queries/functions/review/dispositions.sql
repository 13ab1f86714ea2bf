-- The dispositions and what each asks for, as they apply to an anomaly of a tier; null: as they are in general.
create or replace function review.dispositions(tier text)
  returns jsonb
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_agg(jsonb_build_object(
      'name', d.name,
      'second_person', d.second_person or coalesce(dispositions.tier = 'A', false),
      'bulk', d.bulk and dispositions.tier is distinct from 'A', 'note', d.note,
      'fields', coalesce((
        select jsonb_agg(jsonb_build_object(
          'name', df.field, 'kind', df.kind, 'alternative', df.alternative, 'needed', df.needed,
          'choices', coalesce(to_jsonb(df.choices), '[]'), 'note', df.note
        ) order by df.position)
        from review.disposition_field df
        where df.disposition = d.name
      ), '[]')
    ) order by d.name)
    from review.disposition d
  );
end $$;
