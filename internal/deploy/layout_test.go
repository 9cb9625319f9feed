package deploy

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
)

func TestPaths(t *testing.T) {
	for name, test := range map[string]struct {
		target Target
		want   string // paths, separated by blanks
	}{
		"standard": {
			Target{KeyTypes: []string{p256}},
			"/etc/ssl/certkeep/c/privkey.pem /etc/ssl/certkeep/c/cert.pem /etc/ssl/certkeep/c/chain.pem /etc/ssl/certkeep/c/fullchain.pem",
		},
		"standard, two key types": {
			Target{Base: "/b", KeyTypes: []string{rsa2, p256}},
			"/b/c/privkey.pem /b/c/cert.pem /b/c/chain.pem /b/c/fullchain.pem " +
				"/b/c/privkey.rsa-2048.pem /b/c/cert.rsa-2048.pem /b/c/chain.rsa-2048.pem /b/c/fullchain.rsa-2048.pem " +
				"/b/c/privkey.ecdsa-p256.pem /b/c/cert.ecdsa-p256.pem /b/c/chain.ecdsa-p256.pem /b/c/fullchain.ecdsa-p256.pem",
		},
		"certbot": {
			Target{Layout: LayoutCertbot, Base: "/b", KeyTypes: []string{p256}},
			"/b/live/c/privkey.pem /b/live/c/cert.pem /b/live/c/chain.pem /b/live/c/fullchain.pem",
		},
		"nixos": {
			Target{Layout: LayoutNixOS, Base: "/b", KeyTypes: []string{p256}},
			"/b/c/key.pem /b/c/cert.pem /b/c/chain.pem /b/c/fullchain.pem /b/c/full.pem",
		},
		"haproxy": {
			Target{Layout: LayoutHAProxy, Base: "/b", KeyTypes: []string{p256}},
			"/b/c.pem",
		},
		"haproxy, two key types": {
			Target{Layout: LayoutHAProxy, Base: "/b", KeyTypes: []string{p256, rsa2}},
			"/b/c.pem.ecdsa /b/c.pem.rsa",
		},
		"files": {
			Target{KeyTypes: []string{p256, rsa2}, Files: []File{{Path: "/x/a"}, {Path: "/x/{key_type}/b"}, {Path: "/x/r", KeyType: rsa2}}},
			"/x/a /x/ecdsa-p256/b /x/rsa-2048/b /x/r",
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.target.Cert, test.target.Name = "c", "default"
			got, err := test.target.Paths()
			if err != nil || strings.Join(got, " ") != test.want {
				t.Errorf("Paths() = %v, %v\nwant %s", got, err, test.want)
			}
		})
	}
}

func TestPathsRefused(t *testing.T) {
	one := []string{p256}
	for name, target := range map[string]Target{
		"a name that climbs":            {Cert: "../etc", Name: "d", KeyTypes: one},
		"a hidden name":                 {Cert: ".versions", Name: "d", KeyTypes: one},
		"a target's name with a slash":  {Cert: "c", Name: "a/b", KeyTypes: one},
		"no key type":                   {Cert: "c", Name: "d"},
		"an unknown layout":             {Cert: "c", Name: "d", KeyTypes: one, Layout: "windows"},
		"no files":                      {Cert: "c", Name: "d", KeyTypes: one, Layout: LayoutFiles},
		"a relative path":               {Cert: "c", Name: "d", KeyTypes: one, Files: []File{{Path: "tls.pem"}}},
		"a path that is not clean":      {Cert: "c", Name: "d", KeyTypes: one, Files: []File{{Path: "/x/../y"}}},
		"one path twice":                {Cert: "c", Name: "d", KeyTypes: one, Files: []File{{Path: "/x"}, {Path: "/x"}}},
		"two ECDSA types for HAProxy":   {Cert: "c", Name: "d", Layout: LayoutHAProxy, KeyTypes: []string{p256, "ecdsa-p384"}},
		"one path for every key's file": {Cert: "c", Name: "d", KeyTypes: []string{p256, rsa2}, Files: []File{{Path: "/x", KeyType: p256}, {Path: "/x", KeyType: rsa2}}},
	} {
		if got, err := target.Paths(); err == nil {
			t.Errorf("%s: %v, want an error", name, got)
		}
	}
}

func TestModes(t *testing.T) {
	for name, test := range map[string]struct {
		file File
		want fs.FileMode
	}{
		"certificate":                 {File{Content: []Part{PartFullchain}}, 0o644},
		"certificate with a group":    {File{Content: []Part{PartFullchain}, Group: "tls"}, 0o644},
		"key":                         {File{Content: []Part{PartKey}}, 0o600},
		"key in company, for a group": {File{Content: []Part{PartKey, PartCertificate}, Group: "tls"}, 0o640},
		"as the administrator says":   {File{Content: []Part{PartKey}, Mode: 0o440}, 0o440},
	} {
		if got := test.file.slot("/x", p256).mode; got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// A target without a private key of ours has no files for one.
func TestPathsOfCSR(t *testing.T) {
	ca := newCA(t, "ca")
	c := ca.content(t, "v1", "a.test")
	c.Pairs[0].Key = nil
	image, err := Render(Target{Cert: "c", Name: "d", Layout: LayoutNixOS, Base: "/b"}, c)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range image.Facts() {
		got = append(got, f.Path)
	}
	if want := []string{"/b/c/cert.pem", "/b/c/chain.pem", "/b/c/fullchain.pem"}; !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
	if _, err := Render(Target{Cert: "c", Name: "d", Layout: LayoutHAProxy, Base: "/b"}, c); err == nil {
		t.Error("a combined file was made without its key")
	}
}

// Plan is pure: the same in, the same out, and nothing where all is well.
func TestPlan(t *testing.T) {
	c := newCA(t, "ca").content(t, "v1", "a.test")
	target := Target{Cert: "c", Name: "d", Files: []File{
		{Path: "/x/key", Content: []Part{PartKey}}, {Path: "/y/cert", Content: []Part{PartFullchain}},
	}}
	image, err := Render(target, c)
	if err != nil {
		t.Fatal(err)
	}
	have := State{Files: []Node{{}, {}}, UIDs: []int{-1, -1}, GIDs: []int{-1, -1}}
	ops, err := Plan(image, have)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, op := range ops {
		got = append(got, string(op.Verb)+" "+op.Path)
	}
	if want := []string{"stage /x/key", "stage /y/cert", "switch /x/key", "switch /y/cert"}; !slices.Equal(got, want) {
		t.Errorf("Plan = %v, want %v", got, want)
	}
	for i, w := range image.Files {
		have.Files[i] = Node{Kind: KindFile, SHA256: w.SHA256, Mode: w.mode}
	}
	if ops, err := Plan(image, have); err != nil || len(ops) != 0 {
		t.Errorf("Plan = %v, %v where all is well", ops, err)
	}
	have.Files[0].Mode = 0o644
	if ops, _ := Plan(image, have); len(ops) != 2 {
		t.Errorf("Plan = %v for a key that everybody may read", ops)
	}
	have.Files[0] = Node{Kind: KindFolder}
	if _, err := Plan(image, have); err == nil {
		t.Error("Plan would replace a folder by a file")
	}
}
