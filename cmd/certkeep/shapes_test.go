package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/status"
	"github.com/certkeep/certkeep/internal/status/web"
)

// shapes is what docs/json.md says: for each heading, its fields by path.
type shapes map[string]map[string]field

// field is a row of a table of docs/json.md.
type field struct {
	kind     string // string, time, boolean, integer, object, "list of …", or the name of a shared object
	optional bool
}

// readShapes reads the tables of docs/json.md.
func readShapes() (shapes, error) {
	text, err := os.ReadFile(filepath.Join(moduleDir(), "docs", "json.md"))
	if err != nil {
		return nil, err
	}
	all := shapes{}
	heading := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if title, ok := strings.CutPrefix(line, "### "); ok {
			heading = title
			all[heading] = map[string]field{}
		}
		cells := strings.Split(line, "|")
		if heading == "" || len(cells) < 5 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
			continue
		}
		kind, optional := strings.CutSuffix(strings.TrimSpace(cells[2]), ", optional")
		all[heading][strings.Trim(strings.TrimSpace(cells[1]), "`")] = field{kind, optional}
	}
	return all, nil
}

// moduleDir is the root of the module: tests run in the folder of their
// package, scripts anywhere.
func moduleDir() string {
	if dir := os.Getenv("CERTKEEP_MODULE"); dir != "" {
		return dir
	}
	return filepath.Join("..", "..")
}

// compare says where a value differs from a shape: a field that is not
// documented, one that is missing, or one of another type.
func (s shapes) compare(shape string, v any) []string {
	if s[shape] == nil {
		return []string{"docs/json.md has no heading " + shape}
	}
	return s.object(shape, "", shape, v)
}

// object compares an object whose fields are documented below prefix.
func (s shapes) object(shape, prefix, where string, v any) []string {
	object, ok := v.(map[string]any)
	if !ok {
		return []string{where + " is no object"}
	}
	var wrong []string
	for name, value := range object {
		f, ok := s[shape][prefix+name]
		if !ok {
			wrong = append(wrong, where+"."+name+" is not documented")
			continue
		}
		wrong = append(wrong, s.value(shape, prefix+name, where+"."+name, f.kind, value)...)
	}
	for path, f := range s[shape] {
		name, below := strings.CutPrefix(path, prefix)
		if !below || strings.ContainsAny(name, ".[") || f.optional {
			continue
		}
		if _, ok := object[name]; !ok {
			wrong = append(wrong, where+"."+name+" is missing")
		}
	}
	slices.Sort(wrong)
	return wrong
}

func (s shapes) value(shape, path, where, kind string, v any) []string {
	if element, ok := strings.CutPrefix(kind, "list of "); ok {
		items, ok := v.([]any)
		if !ok {
			return []string{where + " is no list"}
		}
		var wrong []string
		for i, item := range items {
			wrong = append(wrong, s.value(shape, path+"[]", fmt.Sprintf("%s[%d]", where, i), element, item)...)
		}
		return wrong
	}
	ok := true
	switch kind {
	case "string":
		_, ok = v.(string)
	case "boolean":
		_, ok = v.(bool)
	case "integer":
		n, isNumber := v.(float64)
		ok = isNumber && n == float64(int64(n))
	case "time":
		text, _ := v.(string)
		at, err := time.Parse(time.RFC3339Nano, text)
		ok = err == nil && strings.HasSuffix(text, "Z") && !at.IsZero()
	case "object":
		return s.object(shape, path+".", where, v)
	default:
		return s.object(kind, "", where, v)
	}
	if !ok {
		return []string{fmt.Sprintf("%s is no %s: %v", where, kind, v)}
	}
	return nil
}

// TestShapesAreDocumented compares the structs that are printed with
// docs/json.md, in both directions: what a test happens to print may lack
// fields.
func TestShapesAreDocumented(t *testing.T) {
	t.Parallel()
	doc, err := readShapes()
	if err != nil {
		t.Fatal(err)
	}
	for shape, v := range map[string]any{
		"status": status.Overview{}, "plan": status.Forecast{}, "apply": outcome{}, "rehearsal": rehearsal{}, "history": histories{},
		"versions": heldVersions{}, "accounts": accounts{}, "revoke": revoked{}, "findings": findings{}, "version": status.Build{}, "dns record": dnsRecords{}, "dns test": dnsTests{}, "notify test": notifyTests{}, "doctor": diagnosis{}, "webserver list": webHosts{}, "webserver check": webChecks{}, "webserver enable": webEnabled{}, "webserver update": webUpdated{}, "webserver catch-all": webCaught{}, "notification": plan.Message{}, "certificate": status.Certificate{},
		"api status": web.Summary{}, "api certificates": web.Certificates{}, "api certificate": web.One{}, "api problems": web.Problems{},
	} {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			got := map[string]field{}
			gather(got, doc, shape, "", reflect.TypeOf(v))
			for path, f := range got {
				if doc[shape][path] != f {
					t.Errorf("%s: printed as %+v, documented as %+v", path, f, doc[shape][path])
				}
			}
			for path := range doc[shape] {
				if _, ok := got[path]; !ok {
					t.Errorf("%s: documented, never printed", path)
				}
			}
		})
	}
}

// shared are the types that docs/json.md describes under a heading of their own.
func shared(t reflect.Type) (string, bool) {
	name, ok := map[string]string{
		"plan.Reason": "reason", "plan.Problem": "problem", "plan.Fault": "fault", "status.Certificate": "certificate",
	}[t.String()]
	return name, ok
}

// gather lists the fields of a struct by path, as docs/json.md names them.
func gather(into map[string]field, doc shapes, shape, prefix string, t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		if !f.IsExported() || tag == "-" {
			continue
		}
		name, rest, _ := strings.Cut(tag, ",")
		optional := strings.Contains(rest, "omitempty") || strings.Contains(rest, "omitzero")
		kind, element := kindOf(f.Type)
		into[prefix+name] = field{kind, optional}
		if element != nil && element.Kind() == reflect.Struct && strings.HasSuffix(kind, "object") {
			below := prefix + name + "."
			if strings.HasPrefix(kind, "list") {
				below = prefix + name + "[]."
			}
			gather(into, doc, shape, below, element)
		}
	}
}

func kindOf(t reflect.Type) (string, reflect.Type) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if name, ok := shared(t); ok {
		return name, nil
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "time", nil
	case t.Kind() == reflect.Slice:
		kind, element := kindOf(t.Elem())
		return "list of " + kind, element
	case t.Kind() == reflect.Struct:
		return "object", t
	case t.Kind() == reflect.Bool:
		return "boolean", nil
	case t.Kind() == reflect.Int:
		return "integer", nil
	}
	return "string", nil
}

// typeOfField is the type of a struct's field.
func typeOfField[T any](name string) reflect.Type {
	f, _ := reflect.TypeFor[T]().FieldByName(name)
	return f.Type
}

// TestSharedShapes compares the objects that others print too.
func TestSharedShapes(t *testing.T) {
	t.Parallel()
	doc, err := readShapes()
	if err != nil {
		t.Fatal(err)
	}
	problem := status.Overview{}.Problems
	for shape, typ := range map[string]reflect.Type{
		"problem": reflect.TypeOf(problem).Elem(), "reason": typeOfField[status.Renewal]("Reason"), "fault": typeOfField[doneStep]("Fault").Elem(),
	} {
		got := map[string]field{}
		gather(got, doc, shape, "", typ)
		if !reflect.DeepEqual(got, doc[shape]) {
			t.Errorf("%s: printed %v, documented %v", shape, got, doc[shape])
		}
	}
}
