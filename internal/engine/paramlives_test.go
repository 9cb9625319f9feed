package engine

import (
	"crypto/tls"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/params"
	"github.com/certkeep/certkeep/internal/plan"
)

// paramLife is a stretch of the life of a certificate with parameters in files
// of their own and in one with the key.
func paramLife(t *testing.T, group string) *life {
	t.Helper()
	l := newLife(t)
	l.config = `
certificates:
  a.test:
    dh_params: ` + group + `
    ec_params: [secp384r1, secp256r1]
    files:
      - {path: $DIR/tls/dh.pem, content: dh-params}
      - {path: $DIR/tls/ec.pem, content: ec-params}
      - {path: $DIR/private/a.pem, content: [key, fullchain, dh-params, ec-params]}
`
	return l
}

// checkParams fails the test unless all files hold the group and the curves,
// and the key in one of them fits. It returns the group.
func (f *fixture) checkParams(bits int) *params.DH {
	f.Helper()
	whole := filepath.Join(f.dir, "private/a.pem")
	if _, err := tls.LoadX509KeyPair(whole, whole); err != nil {
		f.Error(err)
	}
	if got := f.known("a.test"); got.Targets["default"].Version != got.Published || got.Targets["default"].State != plan.TargetReloaded {
		f.Errorf("known %+v", got)
	}
	both, err := params.Parse([]byte(f.text("private/a.pem")))
	if err != nil || both.DH == nil || both.DH.Bits() != bits || !slices.Equal(both.Curves, []string{"secp384r1", "secp256r1"}) {
		f.Fatalf("the file with the key holds %+v, %v; want %d bits", both, err, bits)
	}
	for _, file := range []string{"tls/dh.pem", "tls/ec.pem"} {
		if text := f.text(file); text == "" || !strings.Contains(f.text("private/a.pem"), text) {
			f.Errorf("%s holds other parameters than the file with the key: %q", file, text)
		}
	}
	return both.DH
}

// TestSweepParameters sweeps a renewal together with a change to another group
// of RFC 7919: in the end all files hold the new group, and fit.
func TestSweepParameters(t *testing.T) {
	l := paramLife(t, "ffdhe3072")
	var before string
	l.judge = func(f *fixture) {
		f.Helper()
		if group := f.checkParams(3072); group.Name() != "ffdhe3072" {
			f.Errorf("the group is %q", group.Name())
		}
		if f.known("a.test").Published == before {
			f.Error("nothing was renewed")
		}
	}
	l.prepare(t, func(f *fixture) {
		f.configure(strings.ReplaceAll(strings.ReplaceAll(l.config, "ffdhe3072", "ffdhe2048"), "$DIR", l.dir))
		f.apply()
		f.checkParams(2048)
		before = f.known("a.test").Published
		f.ask(plan.AskRenew, "a.test")
	})
	l.sweep(t, 13)
}

// TestSweepOwnParameters sweeps a first issue with a group of its own, which
// takes the place of that of RFC 7919 once it is found: in the end the stored
// one is in all files.
func TestSweepOwnParameters(t *testing.T) {
	l := paramLife(t, "{own: 2048}")
	const bits = 512 // found at once
	l.adapt = func(cfg *config.Config) { cfg.Certificate("a.test").DHParams.Own = bits }
	l.judge = func(f *fixture) {
		f.Helper()
		f.checkParams(bits)
		if own := f.known("a.test").DH; own == nil || own.PEM != f.text("tls/dh.pem") {
			f.Errorf("another group is stored than installed: %+v", own)
		}
	}
	l.prepare(t, func(*fixture) {})
	l.sweep(t, 19)
}
