package webserver

import (
	"fmt"
	"os"
	"testing"

	"github.com/certkeep/certkeep/internal/servertest"
)

// TestManaged has a real Apache with mod_md tell whose names that has.
func TestManaged(t *testing.T) {
	dir := servertest.Folder(t)
	w := servertest.ApacheIn(t, dir, "socache_shmcb", "ssl", "md")
	w.Shim(t, "apache2ctl")
	t.Setenv("PATH", w.Bin()+":"+os.Getenv("PATH"))
	text := "Listen 127.0.0.1:80\nMDomain a.test www.a.test\n<MDomainSet b.test>\nMDMember www.b.test\n</MDomainSet>\n"
	for _, name := range []string{"www.a.test", "www.b.test", "c.test"} {
		text += "<VirtualHost 127.0.0.1:80>\nServerName " + name + "\n</VirtualHost>\n"
	}
	w.Configure(t, text)
	hosts, err := Read(t.Context(), Apache)
	if err != nil {
		t.Fatal(err)
	}
	first := hosts[0].Line - 5
	for i, want := range []string{fmt.Sprintf("%s:%d", w.Config, first+1), fmt.Sprintf("%s:%d", w.Config, first+2), ""} {
		if got := hosts[i].Managed(); got != want {
			t.Errorf("%v: %q, want %q", hosts[i].Names, got, want)
		}
	}
}
