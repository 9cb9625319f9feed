package main

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/certkeep/certkeep/internal/acmetest"
	"github.com/certkeep/certkeep/internal/bindtest"
)

// TestDNSScripts runs the scripts of testdata/dns beside a name server: it holds
// the zone test, and locked.test, where the key may change nothing but TXT.
func TestDNSScripts(t *testing.T) {
	t.Parallel()
	bind := bindtest.Start(
		t,
		bindtest.Zone{Name: "test", Records: "www IN A 127.0.0.1\nsub.www IN A 127.0.0.1\nlocked IN NS ns1\n_25._tcp.alias IN CNAME _25._tcp.www"},
		bindtest.Zone{Name: "locked.test", Policy: `grant update zonesub TXT;`},
	)
	ca := acmetest.Start(t, acmetest.Options{DNS: bind.Address})
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "dns"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("CERTKEEP_CONFIG", filepath.Join(env.WorkDir, "certkeep.yaml"))
			env.Setenv("NAMESERVER", bind.Address)
			env.Setenv("DIRECTORY", ca.DirectoryURL())
			env.Setenv("HTTP_PORT", strconv.Itoa(ca.HTTPPort()))
			if err := os.WriteFile(filepath.Join(env.WorkDir, "roots.pem"), ca.RootPEM(), 0o600); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(env.WorkDir, "update.key"), bind.KeyFile, 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "fields": fields, "value": value, "subst": subst,
			"records": func(ts *testscript.TestScript, neg bool, args []string) {
				if there := len(bind.Set(t, args[1], args[0])) > 0; there == neg {
					ts.Fatalf("records %q: there %v", args, there)
				}
			},
		},
	})
}
