package deploy

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/service"
)

// A placeholder that lies there is kept as it is, and told apart from one that
// was remembered; one of other names or kinds of key is made anew.
func TestPlaceholderIsKept(t *testing.T) {
	t.Parallel()
	for _, layout := range []Layout{LayoutStandard, LayoutCertbot, LayoutFiles} {
		t.Run(string(layout), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
			target := Target{Cert: "c", Name: "default", Layout: layout, Base: dir + "/ssl", KeyTypes: []string{"rsa-4096", p256}, Services: []service.Service{{Name: "web"}}}
			if layout == LayoutFiles {
				target.Base = ""
				for _, kind := range target.KeyTypes {
					target.Files = append(target.Files,
						File{Path: dir + "/" + kind + ".key", Content: []Part{PartKey}, KeyType: kind},
						File{Path: dir + "/" + kind + ".pem", Content: []Part{PartFullchain}, KeyType: kind})
				}
			}
			is := func(what string, got bool, err error, want bool) {
				t.Helper()
				if err != nil || got != want {
					t.Errorf("%s: %v, %v", what, got, err)
				}
			}
			put := func(names ...string) Result {
				t.Helper()
				c, err := PlaceholderFor(target, names, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				quiet := target
				quiet.Services = nil
				r := d.Batch(t.Context(), []Job{{Target: quiet, Content: c, Spare: true}})[0]
				if r.Fault != nil {
					t.Fatal(r.Fault)
				}
				return r
			}
			lacks, err := Lacks(target)
			is("lacks all", lacks, err, true)
			untold, err := Untold(target, nil)
			is("untold of nothing", untold, err, false)

			first := put("a.test", "192.0.2.7")
			if again := put("a.test"); again.Changed {
				t.Errorf("made again: %+v", again)
			}
			lacks, err = Lacks(target)
			is("lacks nothing", lacks, err, false)
			for _, test := range []struct {
				what  string
				files []plan.File
				want  bool
			}{{"nothing remembered", nil, true}, {"remembered", first.Files, false}, {"another remembered", []plan.File{{Path: first.Files[0].Path, SHA256: "00"}}, true}} {
				untold, err := Untold(target, test.files)
				is(test.what, untold, err, test.want)
			}
			if other := put("a.test", "b.test"); !other.Changed {
				t.Error("a placeholder without a name was kept")
			}

			lost := first.Files[len(first.Files)-1].Path
			if err := os.Remove(lost); err != nil {
				t.Fatal(err)
			}
			lacks, err = Lacks(target)
			is("lacks "+filepath.Base(lost), lacks, err, true)
			if r := put("a.test"); !r.Changed {
				t.Error("what was lost is not made")
			}

			ca := newCA(t, "ca")
			c := Content{Version: "v1"}
			for _, kind := range target.KeyTypes {
				c.Pairs = append(c.Pairs, ca.pair(t, kind, "a.test"))
			}
			quiet := target
			quiet.Services = nil
			mustPut(t, d, quiet, c)
			untold, err = Untold(target, nil)
			is("untold of a certificate", untold, err, false)
			if err := os.Remove(lost); err != nil {
				t.Fatal(err)
			}
			lacks, err = Lacks(target)
			is("half a certificate", lacks, err, false)
		})
	}
}
