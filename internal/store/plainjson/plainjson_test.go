package plainjson_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/store/plainjson"
)

type word string

type inner struct {
	Name  string            `json:"name"`
	Words map[word]string   `json:"words,omitempty"`
	Deep  map[string]*inner `json:"-"`
}

type header struct {
	Format int `json:"format"`
}

// record has every kind of field that a plain type may have.
type record struct {
	header
	Text    string            `json:"text"`
	Word    word              `json:"word,omitempty"`
	Yes     bool              `json:"yes"`
	Small   int8              `json:"small"`
	Long    time.Duration     `json:"long"`
	At      time.Time         `json:"at,omitzero"`
	Texts   []string          `json:"texts"`
	Inner   inner             `json:"inner"`
	Pointer *inner            `json:"pointer"`
	Inners  []inner           `json:"inners"`
	Map     map[string]*inner `json:"map"`
	Matrix  [][]int           `json:"matrix"`
	NoTag   string
	Times   map[string]time.Time `json:"times"`
}

// odd has a field for each reason not to be plain.
type odd struct {
	Any any `json:"any"`
}

func full() record {
	return record{
		header: header{Format: 1}, Text: "ü \"\\\n<&>\u2028", Word: "w", Yes: true, Small: -128, Long: 1 << 60,
		At: time.Date(2026, 11, 20, 1, 2, 3, 4, time.UTC), Texts: []string{"", "a", strings.Repeat("x", 100)},
		Inner: inner{Name: "i", Words: map[word]string{"k": "v", "": ""}}, Pointer: &inner{Name: "p"},
		Inners: []inner{{Name: "1"}, {}, {Words: map[word]string{}}}, Map: map[string]*inner{"a": {Name: "a"}, "n": nil},
		Matrix: [][]int{{1, 0, -1}, {}, nil}, NoTag: "n", Times: map[string]time.Time{"t": {}},
	}
}

// texts are what the decoders are compared on.
func texts(t testing.TB) []string {
	t.Helper()
	whole, err := json.Marshal(full())
	if err != nil {
		t.Fatal(err)
	}
	indented, err := json.MarshalIndent(full(), "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	return []string{
		string(whole), string(indented), string(whole) + "\n", string(whole) + "x", string(whole[:len(whole)/2]),
		``, ` `, `{}`, `[]`, `null`, `7`, `{"format":2,"text":["x"]}`, `{"text":null,"at":null,"texts":null,"map":null,"pointer":null,"yes":null}`,
		`{"TEXT":"other spelling"}`, `{"unknown":1,"text":"x"}`, `{"text":"a","text":"b"}`, `{"texts":["a"],"texts":[null]}`, `{"map":{"a":null,"a":{"name":"2"}}}`,
		`{"small":128}`, `{"small":1.0}`, `{"small":1e1}`, `{"small":01}`, `{"small":-0}`, `{"small":-}`, `{"small":"1"}`, `{"long":99999999999999999999}`,
		`{"at":"yesterday"}`, `{"at":"2026-11-20T01:02:03+01:00"}`, `{"at":"2026-11-20T01:02:03,5Z"}`, `{"at":"2026\u002d11-20T01:02:03Z"}`, `{"at":7}`,
		`{"yes":tru}`, `{"yes":truex}`, `{"yes":true,}`, `{,}`, `{"text"}`, `{"text":}`, `{"texts":[,]}`, `{"texts":["a",]}`, `{"texts":["a" "b"]}`,
		"{\"text\":\"line\nbreak\"}", `{"text":"\ud800"}`, "{\"text\":\"\xff\"}", `{"text":"\x"}`, `{"text":"cut`, `{"text":"cut\`, `{"t\u0065xt":"x"}`,
		`{"map":{"\u00e4":{}}}`, `{"inner":{"words":{"a":"b"},"Deep":{}}}`, `{"hidden":"x"}`, `{"NoTag":"a","notag":"b"}`, `{"header":{"format":3}}`, `{"-":1}`,
	}
}

// compare decodes text both ways.
func compare[T any](t *testing.T, d *plainjson.Decoder[T], text string) {
	t.Helper()
	var want T
	wantErr := json.Unmarshal([]byte(text), &want)
	input := []byte(text)
	got, err := d.Decode(input)
	clear(input) // the result must not depend on it
	if (err == nil) != (wantErr == nil) || !reflect.DeepEqual(got, want) {
		t.Errorf("%q:\ngot  %+v, %v\nwant %+v, %v", text, got, err, want, wantErr)
	}
}

func TestDecode(t *testing.T) {
	records, odds := plainjson.New[record](), plainjson.New[odd]()
	for _, text := range texts(t) {
		for range 2 { // the second time with words kept from the first
			compare(t, records, text)
		}
		compare(t, odds, text)
	}
	compare(t, odds, `{"any":{"x":[1]}}`)
	compare(t, plainjson.New[[]byte](), `"AQI="`)
	compare(t, plainjson.New[map[int]string](), `{"1":"x"}`)
	compare(t, plainjson.New[struct {
		N int `json:"n,string"`
	}](), `{"n":"5"}`)
	compare(t, plainjson.New[struct {
		header
		Other int `json:"format"`
	}](), `{"format":5}`)
}

// FuzzDecode: whatever the text, the result is that of encoding/json.
func FuzzDecode(f *testing.F) {
	for _, text := range texts(f) {
		f.Add(text)
	}
	d := plainjson.New[record]()
	f.Fuzz(func(t *testing.T, text string) { compare(t, d, text) })
}

// TestPlanIsPlain: the types that a listing decodes are of those that are
// read fast.
func TestPlanIsPlain(t *testing.T) {
	slow := func(text string) float64 {
		return testing.AllocsPerRun(20, func() {
			var c plan.KnownCert
			if err := json.Unmarshal([]byte(text), &c); err != nil {
				t.Error(err)
			}
		})
	}
	d := plainjson.New[plan.KnownCert]()
	text := `{"name":"a","versions":[{"id":"x","created":"2026-11-20T01:02:03Z","pairs":[{"key_type":"a","key":"b"}]}]}`
	fast := testing.AllocsPerRun(20, func() {
		if _, err := d.Decode([]byte(text)); err != nil {
			t.Error(err)
		}
	})
	if fast >= slow(text) {
		t.Errorf("%v allocations, encoding/json needs %v: some field of plan.KnownCert is not plain", fast, slow(text))
	}
}
