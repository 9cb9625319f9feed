package config

import (
	"testing"
	"time"
)

func TestListenHTTP(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]HTTPListener{
		`":8080"`:               {Address: ":8080"},
		`false`:                 {},
		`{address: ":8080"}`:    {Address: ":8080"},
		`{redirect: true}`:      {Address: ":80", Redirect: Temporary},
		`{redirect: false}`:     {Address: ":80"},
		`{redirect: temporary}`: {Address: ":80", Redirect: Temporary},
		`{redirect: permanent}`: {Address: ":80", Redirect: Permanent},
		`{hsts: true}`:          {Address: ":80", Redirect: Permanent, HSTS: 15768000 * time.Second},
		`{hsts: 1y}`:            {Address: ":80", Redirect: Permanent, HSTS: 365 * 24 * time.Hour},
		`{hsts: false}`:         {Address: ":80"},
	} {
		cfg, _, err := LoadBytes("c.yaml", []byte("challenges: [{dns-01: {via: d}}]\ndns: {d: {provider: rfc2136}}\nlisten: {http: "+text+"}\ncertificates: {a.example: {}}\n"))
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if cfg.Listen.HTTP != want {
			t.Errorf("%s: %+v, want %+v", text, cfg.Listen.HTTP, want)
		}
	}
	for _, text := range []string{`true`, `80`, `{redirect: sometimes}`, `{redirect: temporary, hsts: true}`, `{hsts: soon}`} {
		if _, _, err := LoadBytes("c.yaml", []byte("listen: {http: "+text+"}\n")); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}
