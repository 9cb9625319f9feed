package deploy

import (
	"os"
	"slices"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
)

// TestAnotherKindOfKey installs, and installs again after it was altered, a
// certificate of which no key type is wanted any more: it is what there is
// until one of the wanted kind was issued, and what a restore may go back to.
func TestAnotherKindOfKey(t *testing.T) {
	ca := newCA(t, "ca")
	v1 := ca.content(t, "v1", "a.test")
	v2 := Content{Version: "v2", Pairs: []Pair{ca.pair(t, p384, "a.test")}}
	for name := range shapes("") {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
			before := shapes(dir + "/etc")[name]
			mustPut(t, d, before, v1)
			after := shapes(dir + "/etc")[name]
			after.KeyTypes = []string{p384}
			if r := mustPut(t, d, after, v1); r.Changed || !shows(t, before, v1) {
				t.Errorf("only another kind of key was asked for, and %+v", r)
			}
			mustPut(t, d, after, v2)
			if !shows(t, after, v2) {
				t.Error("the other kind of key is not there")
			}
			files := mustPut(t, d, after, v1).Files // restored
			if err := os.Remove(files[0].Path); err != nil {
				t.Fatal(err)
			}
			if r := mustPut(t, d, after, v1); !r.Changed || !shows(t, before, v1) {
				t.Errorf("what was restored was altered, and is not put right: %+v", r)
			}
		})
	}
}

// TestRestoreWithoutASecondKind: whoever goes back to the version from before
// a second kind of key serves that kind no more, though the pair of the first
// one is the same: TLSA records of the second one go.
func TestRestoreWithoutASecondKind(t *testing.T) {
	ca := newCA(t, "ca")
	first := ca.pair(t, p256, "a.test")
	v1 := Content{Version: "v1", Pairs: []Pair{first}}
	v2 := Content{Version: "v2", Pairs: []Pair{first, ca.pair(t, p384, "a.test")}}
	dir := t.TempDir()
	d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
	target := Target{Cert: "c", Name: "d", Base: dir + "/etc", KeyTypes: []string{p256, p384}}
	mustPut(t, d, target, v1)
	mustPut(t, d, target, v2)
	if r := mustPut(t, d, target, v1); !r.Changed || !shows(t, target, v1) {
		t.Errorf("the earlier version is not there: %+v", r)
	}
	entries, err := os.ReadDir(target.Lineage())
	if err != nil || len(entries) != 4 {
		t.Errorf("%v is there, want the four files of one pair: %v", entries, err)
	}
	if r := mustPut(t, d, target, v1); r.Changed {
		t.Errorf("it is there, and %+v", r)
	}
}

// TestServing: the files follow what is installed.
func TestServing(t *testing.T) {
	for _, test := range []struct{ wanted, has, serves []string }{
		{nil, []string{p256, rsa2}, []string{p256, rsa2}},
		{[]string{rsa2, p256}, []string{p256, rsa2}, []string{rsa2, p256}},
		{[]string{rsa2, p256}, []string{p256}, []string{p256}},
		{[]string{rsa2}, []string{p256, rsa2}, []string{rsa2}},
		{[]string{p384}, []string{p256, rsa2}, []string{p256, rsa2}},
	} {
		if got := (Target{KeyTypes: test.wanted}).Serving(test.has); !slices.Equal(got, test.serves) {
			t.Errorf("%v wanted, %v there: serves %v, want %v", test.wanted, test.has, got, test.serves)
		}
	}
}

// TestFilesOfKeyTypes: a certificate of one type does not wait for another's,
// and none gets into a file that was listed for the other's.
func TestFilesOfKeyTypes(t *testing.T) {
	ca := newCA(t, "ca")
	ec, rsa := ca.pair(t, p256, "a.test"), ca.pair(t, rsa2, "a.test")
	dir := t.TempDir()
	d := New(Options{State: dir + "/state", Disk: durable.NoSync{}})
	target := Target{Cert: "c", Name: "d", KeyTypes: []string{rsa2, p256}, Files: []File{
		{Path: dir + "/plain.pem", Content: []Part{PartKey, PartFullchain}},
		{Path: dir + "/{key_type}.pem", Content: []Part{PartKey, PartFullchain}},
		{Path: dir + "/only-rsa.pem", Content: []Part{PartKey, PartFullchain}, KeyType: rsa2},
	}}
	for _, step := range []struct {
		has   []Pair
		files map[string]string
	}{
		{[]Pair{ec}, map[string]string{"plain": p256, p256: p256}},
		{[]Pair{ec, rsa}, map[string]string{"plain": rsa2, p256: p256, rsa2: rsa2, "only-rsa": rsa2}},
	} {
		c := Content{Version: "v", Pairs: step.has}
		if r := mustPut(t, d, target, c); len(r.Files) != len(step.files) {
			t.Errorf("files %+v", r.Files)
		}
		for name, keyType := range step.files {
			pair, _ := c.pair(keyType)
			want, err := pair.render([]Part{PartKey, PartFullchain}, Params{})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(dir + "/" + name + ".pem"); err != nil || string(got) != string(want) {
				t.Errorf("%s.pem does not hold the %s pair: %v", name, keyType, err)
			}
		}
	}
	target.Files = target.Files[2:]
	if r := put(t, d, target, Content{Version: "w", Pairs: []Pair{ec}}); r.Fault == nil {
		t.Error("a content of which no file takes anything is said to be installed")
	}
}
