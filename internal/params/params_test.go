package params_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/params"
	"github.com/certkeep/certkeep/internal/servertest"
)

// openssl runs openssl with input and returns all that it prints.
func openssl(t testing.TB, input []byte, args ...string) (out []byte, err error) {
	t.Helper()
	cmd := exec.Command(servertest.Find(t, "openssl"), args...)
	cmd.Stdin = bytes.NewReader(input)
	return cmd.CombinedOutput()
}

func text(t testing.TB, d params.DH) []byte {
	t.Helper()
	b, err := d.PEM()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The groups that we compute are those that openssl has, byte by byte.
func TestGroups(t *testing.T) {
	for _, bits := range params.GroupSizes() {
		group, err := params.Group(bits)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("ffdhe%d", bits)
		want, err := openssl(t, nil, "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:"+name)
		if err != nil || !bytes.Equal(text(t, group), want) {
			t.Errorf("%s: openssl has another (%v)", name, err)
		}
		if group.Bits() != bits || group.Name() != name || group.Check(t.Context()) != nil {
			t.Errorf("%s: %d bits, name %q, %v", name, group.Bits(), group.Name(), group.Check(t.Context()))
		}
		found, err := params.Parse(want)
		if err != nil || found.DH == nil || found.DH.Name() != name {
			t.Errorf("%s: read as %v, %v", name, found, err)
		}
	}
	out, err := openssl(t, text(t, group(t, 2048)), "dhparam", "-check", "-noout")
	if err != nil || !strings.Contains(string(out), "appear to be ok") {
		t.Errorf("openssl says of ffdhe2048: %s (%v)", out, err)
	}
	if _, err := params.Group(1024); err == nil || !strings.Contains(err.Error(), "3072") {
		t.Errorf("Group(1024): %v", err)
	}
}

func group(t testing.TB, bits int) params.DH {
	t.Helper()
	d, err := params.Group(bits)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// What we search for is sound by openssl's test and by ours, and so is what
// openssl searches for.
func TestGenerate(t *testing.T) {
	for _, bits := range []int{512, 515, 768} {
		begun := time.Now()
		d, err := params.Generate(t.Context(), bits)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d bits took %v", bits, time.Since(begun))
		if d.Bits() != bits || d.Name() != "" || d.Check(t.Context()) != nil || new(big.Int).Mod(d.P, big.NewInt(24)).Int64() != 23 {
			t.Errorf("%d bits: %v has %d bits, %v", bits, d.P, d.Bits(), d.Check(t.Context()))
		}
		out, err := openssl(t, text(t, d), "dhparam", "-check", "-noout")
		if err != nil || !strings.Contains(string(out), "appear to be ok") {
			t.Errorf("%d bits: openssl says %s (%v)", bits, out, err)
		}
	}
	theirs, err := openssl(t, nil, "dhparam", "512")
	if err != nil {
		t.Fatalf("%v: %s", err, theirs)
	}
	found, err := params.Parse(theirs)
	if err != nil || found.DH == nil || found.DH.Bits() != 512 || found.DH.Check(t.Context()) != nil {
		t.Errorf("openssl's: %v, %v", found, err)
	}
}

func TestGenerateEnds(t *testing.T) {
	cause := errors.New("asked to stop")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, cause)
	defer cancel()
	if d, err := params.Generate(ctx, 6144); !errors.Is(err, cause) || d.P != nil {
		t.Errorf("%v, %v", d, err)
	}
	for _, bits := range []int{0, -1, 511, 10_001} {
		if _, err := params.Generate(t.Context(), bits); err == nil {
			t.Errorf("generated %d bits", bits)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	good := group(t, 2048)
	plus := func(n int64) *big.Int { return new(big.Int).Add(good.P, big.NewInt(n)) }
	prime, _ := new(big.Int).SetString("f"+strings.Repeat("0", 127), 16) // the next prime above is no safe one
	for prime.SetBit(prime, 0, 1); !prime.ProbablyPrime(0); prime.Add(prime, big.NewInt(2)) {
	}
	for want, d := range map[string]params.DH{
		"there are none": {},
		"no prime":       {P: plus(2), G: good.G},
		"no safe prime":  {P: prime, G: good.G},
		"trivial":        {P: good.P, G: plus(-1)},
		"trivial ":       {P: good.P, G: big.NewInt(1)},
		"5 bits":         {P: big.NewInt(23), G: big.NewInt(5)},
		"16384 bits":     {P: new(big.Int).Lsh(good.P, 16384-2048), G: good.G},
		"2048 bits":      {P: new(big.Int).Neg(good.P), G: good.G},
	} {
		if err := d.Check(t.Context()); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if other := (params.DH{P: good.P, G: big.NewInt(5)}); other.Name() != "" || other.Check(t.Context()) != nil {
		t.Errorf("another generator: %q, %v", other.Name(), other.Check(t.Context()))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (params.DH{P: prime, G: good.G}).Check(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Curves are written as openssl writes them, and those that it cannot write
// are named.
func TestCurves(t *testing.T) {
	for _, name := range []string{"secp256r1", "prime256v1", "secp384r1", "secp521r1", "secp256k1"} {
		got, err := params.Curve(name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := openssl(t, nil, "ecparam", "-name", name)
		if err != nil || !bytes.HasSuffix(want, got) { // behind what it says of the name
			t.Errorf("%s: openssl writes %s (%v)", name, want, err)
		}
		found, err := params.Parse(append(text(t, group(t, 2048)), got...))
		if name == "prime256v1" {
			name = "secp256r1"
		}
		if err != nil || !slices.Equal(found.Curves, []string{name}) || found.DH.Name() != "ffdhe2048" {
			t.Errorf("%s: read as %v, %v", name, found, err)
		}
	}
	for _, name := range []string{"x25519", "x448"} {
		_, err := params.Curve(name)
		if none, ok := errors.AsType[*params.NoParametersError](err); !ok || none.Curve != name || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if out, err := openssl(t, nil, "ecparam", "-name", name); err == nil {
			t.Errorf("openssl can write %s: %s", name, out)
		}
	}
	if _, err := params.Curve("secp999"); err == nil || !strings.Contains(err.Error(), "secp999") {
		t.Errorf("%v", err)
	}
}

func TestParse(t *testing.T) {
	block := func(kind string, der ...byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	for want, b := range map[string][]byte{
		"encoding is damaged":  block("DH PARAMETERS", 0x30, 3, 2, 1, 1),
		"name no curve":        block("EC PARAMETERS", 0x30, 0),
		"OID 1.3.132.0.33":     block("EC PARAMETERS", 6, 5, 0x2b, 0x81, 4, 0, 0x21),
		"bytes are too many":   make([]byte, 2<<20),
		"encoding is damaged ": append(block("CERTIFICATE"), block("DH PARAMETERS")...),
	} {
		if found, err := params.Parse(b); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("%s: %v, %v", want, found, err)
		}
	}
	two := append(text(t, group(t, 3072)), text(t, group(t, 2048))...)
	if found, err := params.Parse(two); err != nil || found.DH.Bits() != 3072 {
		t.Errorf("of two groups: %v, %v", found, err)
	}
	if found, err := params.Parse([]byte("no PEM")); err != nil || found.DH != nil || found.Curves != nil {
		t.Errorf("of nothing: %v, %v", found, err)
	}
	if b, err := (params.DH{}).PEM(); b != nil || err == nil {
		t.Errorf("wrote nothing: %s", b)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(text(f, group(f, 2048)))
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 5, 0x2b, 0x81, 4, 0, 0x22}}))
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "DH PARAMETERS", Bytes: []byte{0x30, 6, 2, 1, 23, 2, 1, 5}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		found, err := params.Parse(b)
		if err != nil || found.DH == nil {
			return
		}
		found.DH.Name()
		again, err := params.Parse(text(t, *found.DH))
		if err != nil || again.DH.P.Cmp(found.DH.P) != 0 || again.DH.G.Cmp(found.DH.G) != 0 {
			t.Fatalf("another group came back: %v, %v", again, err)
		}
	})
}
