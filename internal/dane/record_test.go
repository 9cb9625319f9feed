package dane

import (
	"crypto/x509"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	digest := strings.Repeat("0aB9", 16)
	want := "3 1 1 " + strings.ToLower(digest)
	for _, text := range []string{
		"3 1 1 " + digest, "  3\t1  1\n" + digest + " ", "3 1 1 " + digest[:30] + " " + digest[30:31] + "\t" + digest[31:], "03 01 001 " + digest,
	} {
		r, err := Parse(text)
		if err != nil || r.String() != want || r.Params != (Params{DANEEE, SPKI, SHA256}) || !r.Usable() {
			t.Errorf("%q: got %v, %v", text, r, err)
		}
	}
	for name, text := range map[string]string{
		"empty": "", "short": "3 1 1", "odd digits": "3 1 1 abc", "no hex": "3 1 1 0g", "names": "DANE-EE SPKI SHA2-256 " + digest,
		"too great": "256 1 1 " + digest, "negative": "-1 1 1 " + digest, "sign": "+3 1 1 " + digest, "huge": "3 1 0 " + strings.Repeat("00", maxText),
	} {
		if r, err := Parse(text); err == nil {
			t.Errorf("%s: became %v", name, r.Params)
		}
	}
}

func TestUsable(t *testing.T) {
	h := newHouse(t)
	d256, d512 := strings.Repeat("ab", 32), strings.Repeat("ab", 64)
	cert, key := hex.EncodeToString(h.leaf.Raw), hex.EncodeToString(h.leaf.RawSubjectPublicKeyInfo)
	for text, want := range map[string]bool{
		"0 0 1 " + d256: true, "3 1 2 " + d512: true, "2 0 0 " + cert: true, "3 1 0 " + key: true,
		"3 1 1 " + d512: false, "3 1 2 " + d256: false, "3 1 1 ab": false, "3 0 0 " + key: false, "3 1 0 " + cert: false,
		"4 1 1 " + d256: false, "255 1 1 " + d256: false, "3 2 1 " + d256: false, "3 1 3 " + d256: false,
	} {
		r, err := Parse(text)
		if err != nil || r.Usable() != want {
			t.Errorf("%.20s: usable %v, %v", text, r.Usable(), err)
		}
	}
}

func TestSetsAreFreeOfOrder(t *testing.T) {
	a, b, c := "3 1 1 "+strings.Repeat("0a", 32), "3 1 1 "+strings.Repeat("0b", 32), "2 0 2 "+strings.Repeat("0a", 64)
	read := func(texts ...string) Set {
		t.Helper()
		set, err := ParseSet(texts)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	set := read(a, b, c)
	if got := set.Texts(); !slices.Equal(got, []string{c, a, b}) {
		t.Errorf("got %q", got)
	}
	for _, same := range []Set{read(c, b, a), read(b, strings.ToUpper(b), a, c, a), read(a).Union(read(c, b)), read(a, b, c).Union(nil)} {
		if !set.Equal(same) {
			t.Errorf("%v differs", same.Texts())
		}
	}
	for _, other := range []Set{nil, read(), read(a, b), read(a, b, c, "3 0 1 "+strings.Repeat("0a", 32)), read(a, b, "2 0 2 "+strings.Repeat("0c", 64))} {
		if set.Equal(other) || other.Equal(set) {
			t.Errorf("%v is the same", other.Texts())
		}
	}
	if _, err := ParseSet([]string{a, "x"}); err == nil {
		t.Error("a bad record was passed over")
	}
}

func TestParseName(t *testing.T) {
	for text, want := range map[string]Name{
		"_25._tcp.smtp.example.com":     {25, "tcp", "smtp.example.com"},
		"_443._UDP.Example.COM.":        {443, "udp", "example.com"},
		"_65535._sctp.a-b.xn--c.test":   {65535, "sctp", "a-b.xn--c.test"},
		"_5269._tcp._host.example.test": {5269, "tcp", "_host.example.test"},
	} {
		got, err := ParseName(text)
		if err != nil || got != want || got.String() != strings.ToLower(strings.TrimSuffix(text, ".")) {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "smtp.example.com", "25._tcp.example.com", "_25.tcp.example.com", "_25._tcp", "_25._tcp.", "_25._tcp..", "_0._tcp.a", "_65536._tcp.a",
		"_025._tcp.a", "_+25._tcp.a", "__25._tcp.a", "_25._http.a", "_*._tcp.a", "_25._tcp.*.a", "_25._tcp.a b", "_25._tcp.a;b", "_25._tcp.a..b",
		"_25._tcp." + strings.Repeat("a", 64), "_25._tcp." + strings.Repeat("a.", 130) + "b",
	} {
		if got, err := ParseName(text); err == nil {
			t.Errorf("%q became %+v", text, got)
		}
	}
}

func TestConfigWords(t *testing.T) {
	for i, name := range Usages() {
		u, err := ParseUsage(name)
		if err != nil || int(u) != i {
			t.Errorf("%s: got %d, %v", name, u, err)
		}
	}
	for i, name := range Selectors() {
		s, err := ParseSelector(name)
		if err != nil || int(s) != i {
			t.Errorf("%s: got %d, %v", name, s, err)
		}
	}
	for _, bad := range []string{"", "3", "DANE-EE", "dane"} {
		if _, err := ParseUsage(bad); err == nil || !strings.Contains(err.Error(), "pkix-ta, pkix-ee, dane-ta, dane-ee") {
			t.Errorf("%q: %v", bad, err)
		}
		if _, err := ParseSelector(bad); err == nil {
			t.Errorf("%q is a selector", bad)
		}
	}
}

// FuzzParse reads what a foreign zone has at a name of ours.
func FuzzParse(f *testing.F) {
	f.Add("3 1 1 " + strings.Repeat("ab", 32))
	f.Add("2 0 0 30820001 00")
	f.Add("255 255 255 00")
	f.Add(" 3 1 2\t" + strings.Repeat("F", 128))
	f.Add("3 1 1 \x00")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(r.String())
		if err != nil || again != r || again.String() != r.String() {
			t.Errorf("%q: written and read again it is %v, %v", text, again, err)
		}
		set := NewSet(r, r)
		if len(set) != 1 || !set.Equal(Set{again}) {
			t.Errorf("%q: the set is %v", text, set)
		}
		if len(set.Missing(Presented{Chain: []*x509.Certificate{{}}})) > 1 {
			t.Error("one record lacks more than itself")
		}
	})
}

func FuzzParseName(f *testing.F) {
	f.Add("_25._tcp.mail.example.com.")
	f.Add("_0._udp.*")
	f.Fuzz(func(t *testing.T, text string) {
		name, err := ParseName(text)
		if err != nil {
			return
		}
		if again, err := ParseName(name.String()); err != nil || again != name || strings.ContainsAny(name.String(), " \n;$\"'") {
			t.Errorf("%q: written and read again it is %v, %v", text, again, err)
		}
	})
}
