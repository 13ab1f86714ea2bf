package wardtest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// ocsfSchema is testdata/ocsf: of the published schema what ward's classes need.
type ocsfSchema struct {
	Classes map[string]ocsfObject `json:"classes"`
	Objects map[string]ocsfObject `json:"objects"`
}

type ocsfObject struct {
	Attributes  map[string]ocsfAttribute `json:"attributes"`
	Constraints map[string][]string      `json:"constraints"`
	ClassUID    int                      `json:"class_uid"`
	CategoryUID int                      `json:"category_uid"`
}

type ocsfAttribute struct {
	Type     string `json:"type"`
	Object   string `json:"object"`
	Array    bool   `json:"array"`
	Required bool   `json:"required"`
	Enum     []int  `json:"enum"`
}

// OCSF says in what way a line is not of OCSF 1.8.0: a class that ward does not write, an attribute that the class has
// not, one that is missing, or a value of another kind.
func OCSF(t testing.TB, line []byte) []string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	raw, err := os.ReadFile(filepath.Join(filepath.Dir(here), "../../testdata/ocsf/1.8.0.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema ocsfSchema
	var event map[string]any
	if err := json.Unmarshal(raw, &schema); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(line, &event); err != nil {
		return []string{err.Error()}
	}
	for name, class := range schema.Classes {
		if event["class_uid"] != float64(class.ClassUID) {
			continue
		}
		wrong := schema.object(name, class, event)
		activity, _ := event["activity_id"].(float64)
		if event["category_uid"] != float64(class.CategoryUID) ||
			event["type_uid"] != float64(class.ClassUID*100)+activity {
			wrong = append(wrong, "category_uid or type_uid is not the class's")
		}
		return wrong
	}
	return []string{fmt.Sprintf("class_uid %v", event["class_uid"])}
}

func (s *ocsfSchema) object(path string, o ocsfObject, v map[string]any) (wrong []string) {
	for name, a := range o.Attributes {
		if _, ok := v[name]; a.Required && !ok {
			wrong = append(wrong, path+" lacks "+name)
		}
	}
	if some := o.Constraints["at_least_one"]; len(some) > 0 &&
		!slices.ContainsFunc(some, func(n string) bool { _, ok := v[n]; return ok }) {
		wrong = append(wrong, fmt.Sprintf("%s has none of %q", path, some))
	}
	for name, value := range v {
		a, ok := o.Attributes[name]
		if !ok {
			wrong = append(wrong, path+" has no attribute "+name)
			continue
		}
		values := []any{value}
		if a.Array {
			list, ok := value.([]any)
			if !ok {
				wrong = append(wrong, path+"."+name+" is no array")
			}
			values = list
		}
		for _, x := range values {
			wrong = append(wrong, s.value(path+"."+name, a, x)...)
		}
	}
	return wrong
}

func (s *ocsfSchema) value(path string, a ocsfAttribute, v any) []string {
	bad := []string{fmt.Sprintf("%s is %T, not %s%s", path, v, a.Type, a.Object)}
	switch {
	case a.Object != "":
		object, ok := v.(map[string]any)
		if !ok {
			return bad
		}
		if known, ok := s.Objects[a.Object]; ok {
			return s.object(path, known, object)
		}
		if a.Object != "object" {
			return []string{path + " is an object that the test's schema does not have: " + a.Object}
		}
	case a.Type == "integer":
		n, ok := v.(float64)
		if !ok || n != float64(int64(n)) {
			return bad
		}
		if len(a.Enum) > 0 && !slices.Contains(a.Enum, int(n)) {
			return []string{fmt.Sprintf("%s is %v, not one of %v", path, n, a.Enum)}
		}
	case a.Type == "string":
		if text, ok := v.(string); !ok || text == "" {
			return bad
		}
	case a.Type == "boolean":
		if _, ok := v.(bool); !ok {
			return bad
		}
	}
	return nil
}
