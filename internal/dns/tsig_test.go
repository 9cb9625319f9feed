package dns

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseTSIG(t *testing.T) {
	const secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
	good := []string{
		`key "upd" { algorithm hmac-sha256; secret "` + secret + `"; };`,
		"key upd {\n\tsecret " + secret + ";\n\talgorithm \"HMAC-SHA256\";\n};\n",
		"# one\n// two /* \n/* three\nkey */ key \"UPD.\" { algorithm hmac-sha256.; # four\nsecret \"" + secret + "\"; } ;//",
		"; made by dnssec-keygen\nupd. IN KEY 512 3 163 c2VjcmV0LXNl Y3JldC1zZWNyZXQ=\n",
		"UPD 300 in key 512 3 163 " + secret,
	}
	for _, text := range good {
		k, err := ParseTSIG([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if k.name != "upd." || k.algorithm != "hmac-sha256." || k.secret != secret {
			t.Errorf("%s: got %s, %s, %s", text, k.name, k.algorithm, k.secret)
		}
	}
	for _, algorithm := range []string{"hmac-sha1", "hmac-sha224", "hmac-sha384", "hmac-sha512"} {
		if _, err := ParseTSIG([]byte(`key "upd" { algorithm ` + algorithm + `; secret "` + secret + `"; };`)); err != nil {
			t.Error(err)
		}
	}
	for _, text := range []string{
		`key "upd" { algorithm hmac-md5; secret "` + secret + `"; };`,
		`key "upd" { algorithm HMAC-MD5.SIG-ALG.REG.INT; secret "` + secret + `"; };`,
		"upd. IN KEY 512 3 157 " + secret,
	} {
		k, err := ParseTSIG([]byte(text))
		if err != nil || k.algorithm != "hmac-md5.sig-alg.reg.int." {
			t.Errorf("%s: %v, %v", text, k, err)
		}
		if words, hint := k.Weak(); words == "" || hint == "" || strings.Contains(words, secret) {
			t.Errorf("%s: said of it: %q, %q", text, words, hint)
		}
	}
	if words, _ := (TSIG{algorithm: "hmac-sha256."}).Weak(); words != "" {
		t.Error(words)
	}
	bad := map[string]string{
		"empty":       "",
		"dsa record":  "upd. IN KEY 512 3 3 " + secret,
		"bad record":  "upd. IN KEY 512 3 163 " + secret + "!",
		"unknown":     `key "upd" { algorithm hmac-sha256-128; secret "` + secret + `"; };`,
		"algorithm":   `key "upd" { secret "` + secret + `"; };`,
		"no secret":   `key "upd" { algorithm hmac-sha256; };`,
		"not base64":  `key "upd" { algorithm hmac-sha256; secret "` + secret + `!"; };`,
		"no name":     `key { algorithm hmac-sha256; secret "` + secret + `"; };`,
		"open":        `key "upd" { algorithm hmac-sha256; secret "` + secret + `";`,
		"open string": `key "upd" { algorithm hmac-sha256; secret "` + secret,
		"comment":     `/* key "upd" { algorithm hmac-sha256; secret "` + secret + `"; };`,
		"two keys":    strings.Repeat(`key "upd" { algorithm hmac-sha256; secret "`+secret+`"; };`, 2),
		"other field": `key "upd" { algorithm hmac-sha256; ` + secret + ` "x"; };`,
		"config":      "options { directory \"/var\"; };",
		"bare secret": secret,
		"huge":        strings.Repeat(" ", maxKeyFile+1),
	}
	for name, text := range bad {
		_, err := ParseTSIG([]byte(text))
		if err == nil {
			t.Errorf("%s was accepted", name)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error tells the secret", name)
		}
	}
}

func TestTSIGPrintsNoSecret(t *testing.T) {
	k, err := ParseTSIG([]byte(`key "upd" { algorithm hmac-sha256; secret "c2VjcmV0"; };`))
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, value := range []any{k, &k, struct{ K TSIG }{k}, RFC2136Config{TSIG: &k}} {
			if text := fmt.Sprintf(format, value); strings.Contains(text, "c2VjcmV0") {
				t.Errorf("%s of %T prints %s", format, value, text)
			}
		}
	}
}

func FuzzParseTSIG(f *testing.F) {
	f.Add([]byte(`key "upd" { algorithm hmac-sha256; secret "c2VjcmV0"; };`))
	f.Add([]byte("/* c */ key upd{secret c2VjcmV0;algorithm hmac-sha512;};# end"))
	f.Add([]byte(`key "" { algorithm "`))
	f.Add([]byte(`{};"//"/*`))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := ParseTSIG(text)
		if err != nil {
			return
		}
		again, err := ParseTSIG(fmt.Appendf(nil, "key %q { algorithm %s; secret %q; };", k.name, k.algorithm, k.secret))
		if err != nil || again != k {
			t.Errorf("%q: written and read again it is %v, %v", text, again, err)
		}
	})
}
