package webserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"
)

// selfSigned writes a certificate and its key for names.
func selfSigned(t *testing.T, dir, organization string, ends time.Time, names ...string) KeyFiles {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{Organization: []string{organization}}, DNSNames: names,
		NotBefore: ends.AddDate(0, 0, -90), NotAfter: ends,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	put(t, dir+"/key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	return KeyFiles{Certificate: dir + "/cert.pem", Key: dir + "/key.pem"}
}

func TestLook(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Now()
	later := now.AddDate(0, 0, 60)
	good := selfSigned(t, dir+"/good", "x", later, "a.test", "*.b.test")
	put(t, dir+"/no.pem", "nothing")
	put(t, dir+"/locked.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
	for _, test := range []struct {
		name  string
		pair  KeyFiles
		names []string
		want  string
	}{
		{"good", good, []string{"a.test", "x.b.test", "*.b.test"}, ""},
		{"no names at all", good, nil, ""},
		{"a name is missing", good, []string{"a.test", "c.test", "*.a.test"}, "does not name c.test, *.a.test"},
		{"it ended", selfSigned(t, dir+"/ended", "x", now.AddDate(0, 0, -1), "a.test"), nil, "ended on 2"},
		{"it is yet to begin", selfSigned(t, dir+"/early", "x", now.AddDate(1, 0, 0), "a.test"), nil, "begins on 2"},
		{"another's key", KeyFiles{good.Certificate, selfSigned(t, dir+"/other", "x", later, "a.test").Key}, nil, "its key does not belong to"},
		{"a key that is locked", KeyFiles{good.Certificate, dir + "/locked.pem"}, nil, ""},
		{"a key in an engine", KeyFiles{good.Certificate, "engine:x:y"}, nil, ""},
		{"nothing there", KeyFiles{Certificate: dir + "/gone.pem"}, nil, "cannot be read"},
		{"no certificate", KeyFiles{Certificate: dir + "/no.pem"}, nil, "holds no certificate"},
	} {
		found := Host{Names: test.names, Pairs: []KeyFiles{test.pair}}.Look(now)
		if len(found) != 1 || !strings.Contains(found[0].Wrong, test.want) || (found[0].Wrong == "") != (test.want == "") {
			t.Errorf("%s: %+v, want %q", test.name, found, test.want)
		}
	}
	if found := (Host{Pairs: []KeyFiles{{Certificate: "/x/$ssl_server_name.pem"}}}).Look(now); len(found) != 0 {
		t.Errorf("a variable: %+v", found)
	}
}
