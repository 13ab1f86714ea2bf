package tenancy

import "testing"

func TestSettled(t *testing.T) {
	for sql, want := range map[string]bool{
		"select last_name, first_name from phi.patients where id = any ($1)":       true,
		"select p.* from phi.\"patients\" p order by last_name desc limit 50":      true,
		"update public.patients set phone = $2 where id = $1":                      true,
		"select count(*) from phi.notes\n where patient_id = $1::uuid\nOFFSET 20 ": true,
		"":                   true,
		"select 'x'":         false,
		"select $tag$x$tag$": false,
		"select e'\\''":      false,
		"select * from phi.patients where birth_date = NULL":              false,
		"select * from phi.patients where birth_date = date '2020-01-02'": false,
		"select 0.1::float8::text":                                        false,
		"select float8(12)":                                               false,
		"select 12":                                                       false,
		"select $1::varchar(10)":                                          false,
		"select limit5":                                                   true,
		"select limit 5 0":                                                false,
		"select a /* ' */ from b":                                         false,
		"select a || b":                                                   false,
		"select naïve":                                                    false,
		"select \"a\"\"b\"":                                               true,
		"select U&\"\\0061\"":                                             false,
	} {
		if got := settled(sql); got != want {
			t.Errorf("settled(%q) = %v", sql, got)
		}
	}
}
