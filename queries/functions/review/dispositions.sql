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
          'name', f.field, 'kind', f.kind, 'alternative', f.alternative, 'needed', f.needed,
          'choices', coalesce(to_jsonb(f.choices), '[]'), 'note', f.note
        ) order by f.position)
        from review.disposition_field f
        where f.disposition = d.name
      ), '[]')
    ) order by d.name)
    from review.disposition d
  );
end $$;
