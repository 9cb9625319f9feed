package webserver

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/servertest"
)

// TestTakeOut has a real nginx refuse what is said to be in the way, and take the
// rest.
func TestTakeOut(t *testing.T) {
	dir := t.TempDir()
	plain, secure := servertest.FreeAddress(t), servertest.FreeAddress(t)
	pair := selfSigned(t, dir+"/tls", "x", time.Now().AddDate(0, 0, 60), "a.test")
	put(t, dir+"/staple", "\x30\x03\x0a\x01\x03") // "try later"
	w := servertest.NginxIn(t, dir)
	w.Shim(t, "nginx")
	t.Setenv("PATH", w.Bin()+":"+os.Getenv("PATH"))
	wish := Wish{
		Mode: AddTLS, Pairs: []KeyFiles{pair}, Answers: dir + "/answers", Status: "127.0.0.1:1", Staple: dir + "/staple",
		HTTP: portOf(t, plain), TLS: portOf(t, secure),
	}
	for own, takeOut := range map[string]string{
		"location /.well-known/acme-challenge/ { root /srv; }":    "take out the location of CONFIG:LINE, which",
		"location ^~ /.well-known/acme-challenge/ { root /srv; }": "take out the location of CONFIG:LINE, which",
		"location =/.httpd/certificate-status { return 204; }":    "take out the location of CONFIG:LINE, which",
		"ssl_stapling off;": "take out the ssl_stapling of CONFIG:LINE, which",
		"location ~ /.well-known/acme-challenge/ { return 204; }": "",
		"location = /.well-known/acme-challenge/ { return 204; }": "",
		"location /.well-known/ { return 204; }":                  "",
		"location /.httpd/certificate-status { return 204; }":     "",
	} {
		site := "server {\ninclude;\n" + own + "\nlisten " + plain + "; server_name a.test; }"
		w.Configure(t, strings.Replace(site, "include;", "", 1))
		hosts, err := Read(t.Context(), Nginx)
		if err != nil {
			t.Fatal(err)
		}
		found := Snippets(Sites(hosts)[0], Nginx, wish)
		where := strings.NewReplacer(w.Config, "CONFIG", fmt.Sprintf(":%d,", hosts[0].Line+2), ":LINE,").Replace(found[0].Places[0].TakeOut)
		if takeOut == "" && where != "" || !strings.HasPrefix(where, takeOut) {
			t.Errorf("%s: told %q, want %q", own, where, takeOut)
		}
		written(t, dir+"/nginx", found)
		w.Configure(t, strings.Replace(site, "include;", "include "+dir+"/nginx/a.test.conf;", 1))
		if _, err := Read(t.Context(), Nginx); (err != nil) != (takeOut != "") {
			t.Errorf("%s: nginx says %v", own, err)
		}
	}
}
