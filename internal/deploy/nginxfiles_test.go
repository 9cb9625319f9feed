package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/servertest"
)

// nginx opens a key under a passphrase by its ssl_password_file, exchanges
// keys in the group of ssl_dhparam, and takes a certificate file that holds
// parameters too. A changed passphrase that it does not know rolls back.
func TestNginxReadsParamsAndEncryptedKey(t *testing.T) {
	openssl := servertest.Find(t, "openssl")
	n := newNginx(t, nil)
	target := Target{Cert: "a", Name: "default", KeyTypes: []string{rsa2}, Params: someParams(t), Passphrase: "correct horse", Files: []File{
		{Path: n.dir + "/a.key", Content: []Part{PartKey}},
		{Path: n.dir + "/a.pem", Content: []Part{PartFullchain, PartRoot, PartDHParams, PartECParams}},
		{Path: n.dir + "/a_param.pem", Content: []Part{PartDHParams, PartECParams}},
	}}
	if err := os.WriteFile(n.dir+"/passwords", []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(n.config)
	if err != nil {
		t.Fatal(err)
	}
	n.write(t, strings.TrimSuffix(string(old), "}\n")+fmt.Sprintf("server { listen %s ssl; server_name a.test; ssl_protocols TLSv1.2; ssl_ciphers ALL;\n"+
		"ssl_password_file %[2]s/passwords; ssl_certificate %[2]s/a.pem; ssl_certificate_key %[2]s/a.key; ssl_dhparam %[2]s/a_param.pem; }\n}\n", n.address, n.dir))
	d := New(Options{State: n.dir + "/state", Disk: durable.NoSync{}, SystemdDir: n.dir + "/none"})
	ca := newCA(t, "ca")
	c := Content{Version: "v1", Pairs: []Pair{ca.pair(t, rsa2, "a.test")}}
	mustPut(t, d, target, c)
	p := n.start(t)
	p.Ready(t, n.dir+"/error.log", presents(n.address, "a.test", c.Pairs[0]))
	for _, dh := range []string{n.dir + "/a_param.pem", n.dir + "/a.pem"} {
		text := strings.ReplaceAll(readFile(t, n.config), n.dir+"/a_param.pem", dh)
		n.write(t, text)
		if said, err := exec.Command(n.program, n.args("-t")[1:]...).CombinedOutput(); err != nil {
			t.Errorf("nginx with ssl_dhparam %s: %v\n%s", dh, err, said)
		}
	}
	said, err := exec.Command(openssl, "s_client", "-connect", n.address, "-servername", "a.test", "-tls1_2", "-cipher", "DHE:@SECLEVEL=1").CombinedOutput()
	if !strings.Contains(string(said), "Server Temp Key: DH, 2048 bits") {
		t.Errorf("openssl s_client: %v\n%s", err, said)
	}

	target.Services = append(target.Services, n.service())
	before := readFile(t, n.dir+"/a.key")
	target.Passphrase = "unknown to nginx"
	if r := d.Batch(t.Context(), []Job{{Target: target, Content: c}})[0]; r.Fault == nil || !r.RolledBack || readFile(t, n.dir+"/a.key") != before {
		t.Errorf("a passphrase that nginx does not know: %+v, %+v", r, r.Fault)
	}
}
