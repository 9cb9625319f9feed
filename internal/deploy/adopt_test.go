package deploy

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/service"
)

// lay writes the files of a content at a target in a plain folder, as another
// tool would.
func lay(t *testing.T, target Target, c Content) {
	t.Helper()
	image, err := Render(target, c)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range image.Files {
		if err := os.MkdirAll(filepath.Dir(w.Path()), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(w.Path(), w.Data, w.mode); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFound(t *testing.T) {
	ca := newCA(t, "ca")
	names := []string{"a.test", "www.a.test"}
	good := ca.content(t, "v1", names...)
	for name := range shapes("") {
		for how, put := range map[string]func(Target){
			"as another tool leaves it": func(target Target) { lay(t, target, good) },
			"as we leave it": func(target Target) {
				mustPut(t, New(Options{State: t.TempDir(), Disk: durable.NoSync{}}), target, good)
			},
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				target := shapes(t.TempDir())[name]
				if _, ok, why := Found(target, names, time.Now()); ok || why != "" {
					t.Fatalf("found something in nothing: %q", why)
				}
				put(target)
				got, ok, why := Found(target, names, time.Now())
				if !ok || len(got.Pairs) != 1 {
					t.Fatalf("not found: %s", why)
				}
				p, want := got.Pairs[0], good.Pairs[0]
				if !bytes.Equal(p.Leaf, want.Leaf) || !bytes.Equal(p.Key, want.Key) || !bytes.Equal(p.Rest, want.Rest) || p.KeyType != p256 {
					t.Errorf("found %+v", p)
				}
				// What was adopted is in place: installing it changes nothing.
				if r := mustPut(t, New(Options{State: t.TempDir(), Disk: durable.NoSync{}}), target, got); r.Changed {
					t.Error("installing what was found changes something")
				}
			})
		}
	}
}

func TestNotAdopted(t *testing.T) {
	ca := newCA(t, "ca")
	now := time.Now()
	good := ca.pair(t, p256, "a.test")
	other := ca.pair(t, p256, "a.test")
	key := func(p Pair) crypto.Signer {
		k, err := keys.Parse(p.Key)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	dated := func(from, to time.Duration) Pair {
		return ca.pairFor(t, p256, key(good), &x509.Certificate{DNSNames: []string{"a.test"}, NotBefore: now.Add(from), NotAfter: now.Add(to)})
	}
	_, self := issue(t, nil, nil, &x509.Certificate{DNSNames: []string{"a.test"}}, key(good))
	for name, test := range map[string]struct {
		pair Pair
		why  string
	}{
		"expired":               {dated(-48*time.Hour, -24*time.Hour), "ended on"},
		"not yet valid":         {dated(24*time.Hour, 48*time.Hour), "begins only on"},
		"another name":          {ca.pair(t, p256, "b.test"), "a.test"},
		"another key":           {Pair{KeyType: p256, Key: other.Key, Leaf: good.Leaf, Rest: good.Rest}, "no certificate with a fitting key"},
		"self-signed":           {Pair{KeyType: p256, Key: good.Key, Leaf: pemOf(self), Rest: nil}, "signed itself"},
		"another key type":      {ca.pair(t, string(keys.ECDSAP384), "a.test"), "no certificate with a fitting key of type ecdsa-p256"},
		"garbage for a key":     {Pair{KeyType: p256, Key: []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), Leaf: good.Leaf, Rest: good.Rest}, "key.pem"},
		"no key":                {Pair{KeyType: p256, Key: []byte("nothing"), Leaf: good.Leaf, Rest: good.Rest}, "no certificate with a fitting key"},
		"encrypted private key": {Pair{KeyType: p256, Key: []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"), Leaf: good.Leaf, Rest: good.Rest}, "passphrase"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			target := Target{Cert: "c", Name: "d", KeyTypes: []string{p256}, Files: []File{
				{Path: dir + "/key.pem", Content: []Part{PartKey}}, {Path: dir + "/cert.pem", Content: []Part{PartFullchain}},
			}}
			for path, data := range map[string][]byte{"key.pem": test.pair.Key, "cert.pem": join(test.pair.Leaf, test.pair.Rest)} {
				if err := os.WriteFile(filepath.Join(dir, path), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c, ok, why := Found(target, []string{"a.test"}, now)
			if ok || !strings.Contains(why, test.why) {
				t.Errorf("Found() = %+v, %v, %q, want %q", c, ok, why, test.why)
			}
			// What is somebody's is not vacant, however useless; garbage is.
			target.Services = []service.Service{{Name: "web"}}
			if vacant, err := Vacant(target); vacant || err != nil {
				t.Errorf("Vacant() = %v, %v", vacant, err)
			}
		})
	}
}

// Of several certificates in one file the fitting one is taken, comments and
// all; a root stays out of the chain.
func TestFoundAmongOthers(t *testing.T) {
	ca := newCA(t, "ca")
	old := ca.pair(t, p256, "a.test")
	key, err := keys.Parse(old.Key)
	if err != nil {
		t.Fatal(err)
	}
	renewed := ca.pairFor(t, p256, key, &x509.Certificate{DNSNames: []string{"a.test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(72 * time.Hour)})
	_, root := issue(t, nil, nil, &x509.Certificate{IsCA: true}, nil)
	dir := t.TempDir()
	target := Target{Cert: "c", Name: "d", KeyTypes: []string{rsa2, p256}, Files: []File{{Path: dir + "/all.pem", Content: []Part{PartKey, PartFullchain}}}}
	text := bytes.Join([][]byte{[]byte("subject=a.test\n"), old.Rest, old.Leaf, []byte("\n\n# renewed\n"), renewed.Leaf, pemOf(root), old.Key}, nil)
	if err := os.WriteFile(dir+"/all.pem", text, 0o600); err != nil {
		t.Fatal(err)
	}
	c, ok, why := Found(target, []string{"a.test"}, time.Now())
	if !ok || len(c.Pairs) != 1 || !bytes.Equal(c.Pairs[0].Leaf, renewed.Leaf) || !bytes.Equal(c.Pairs[0].Rest, old.Rest) {
		t.Errorf("Found() = %+v, %v, %q", c, ok, why)
	}
}

// The certificate of an administrator's CSR is found by its public key.
func TestFoundForCSR(t *testing.T) {
	ca := newCA(t, "ca")
	c := ca.content(t, "v1", "a.test")
	key, err := keys.Parse(c.Pairs[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	target := Target{Cert: "c", Name: "d", Base: t.TempDir(), KeyTypes: []string{p256}, Public: key.Public()}
	c.Pairs[0].Key = nil
	lay(t, target, c)
	got, ok, why := Found(target, []string{"a.test"}, time.Now())
	if !ok || got.Pairs[0].Key != nil || !bytes.Equal(got.Pairs[0].Leaf, c.Pairs[0].Leaf) {
		t.Errorf("Found() = %+v, %v, %q", got, ok, why)
	}
	target.Public = newCA(t, "x").interKey.Public()
	if _, ok, _ := Found(target, []string{"a.test"}, time.Now()); ok {
		t.Error("found for another CSR")
	}
}

func TestVacant(t *testing.T) {
	web := []service.Service{{Name: "web"}}
	for name, test := range map[string]struct {
		files    map[string]string
		services []service.Service
		public   crypto.PublicKey
		want     bool
	}{
		"nothing is there":              {nil, web, nil, true},
		"no service":                    {nil, nil, nil, false},
		"the key is held elsewhere":     {nil, web, newCA(t, "x").interKey.Public(), false},
		"empty files":                   {map[string]string{"private/key.pem": "", "certs/cert.pem": ""}, web, nil, true},
		"files of something else":       {map[string]string{"certs/cert.pem": "#!/bin/sh"}, web, nil, true},
		"a certificate without its key": {map[string]string{"certs/cert.pem": string(newCA(t, "x").pair(t, p256, "a").Leaf)}, web, nil, false},
		"a key that we cannot read is a key": {map[string]string{
			"private/key.pem": "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
		}, web, nil, false},
		"a key store": {map[string]string{"private/store.p12": "of somebody"}, web, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			target := spread(t.TempDir())
			store := filepath.Join(filepath.Dir(target.Files[0].Path), "store.p12")
			target.Files = append(target.Files, File{Path: store, Content: []Part{PartPKCS12}, Password: "secret"})
			target.Services, target.Public = test.services, test.public
			if target.Public != nil {
				target.Files = target.Files[1:2:2]
			}
			for path, text := range test.files {
				path = filepath.Join(strings.TrimSuffix(target.Files[1].Path, "certs/cert.pem"), path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := Vacant(target); err != nil || got != test.want {
				t.Errorf("Vacant() = %v, %v, want %v", got, err, test.want)
			}
		})
	}
}

func TestPlaceholderFitsItsTarget(t *testing.T) {
	target := Target{Cert: "c", Name: "d", Base: t.TempDir(), KeyTypes: []string{p256, "rsa-4096"}}
	c, err := PlaceholderFor(target, []string{"a.test", "192.0.2.7"}, time.Now())
	if err != nil || len(c.Pairs) != 2 {
		t.Fatalf("PlaceholderFor() = %+v, %v", c, err)
	}
	d := New(Options{State: t.TempDir(), Disk: durable.NoSync{}})
	mustPut(t, d, target, c)
	if worked, complete, err := served(target); worked || !complete || err != nil {
		t.Errorf("served() = %v, %v, %v", worked, complete, err)
	}
}

// Whatever lies in a file at a target: it is read without harm, and only what
// fits together is taken.
func FuzzFound(f *testing.F) {
	ca := newCA(f, "ca")
	p := ca.pair(f, p256, "a.test")
	f.Add(join(p.Key, p.Leaf, p.Rest))
	f.Add(join(p.Leaf, p.Key))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var found findings
		found.add("file", data, nil)
		pair, _ := found.pair(Target{}, p256, []string{"a.test"}, time.Now())
		if pair.Leaf == nil {
			return
		}
		if err := (Content{Pairs: []Pair{pair}}).Check(); err != nil {
			t.Errorf("took over what does not fit: %v", err)
		}
	})
}
