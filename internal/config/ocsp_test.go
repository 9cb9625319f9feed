package config

import "testing"

// Responses are kept without a file where the table is there, however empty;
// false turns them off where defaults turn them on.
func TestOCSPWithoutFile(t *testing.T) {
	t.Parallel()
	text := "defaults: {ocsp: {}}\ncertificates: {a.example: {}, b.example: {ocsp: false}, c.example: {ocsp: {file: /c.ocsp}}}\n"
	for range 2 { // as it is written, and as it is shown
		cfg, _, err := LoadBytes("c.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]struct {
			asked bool
			files int
		}{"a.example": {true, 0}, "b.example": {false, 0}, "c.example": {true, 1}} {
			for _, w := range cfg.Wanted().Certs {
				if w.Name == name && (w.OCSP != nil != want.asked || len(w.Companions) != want.files) {
					t.Errorf("%s: asked %v, %d files; want %+v\n%s", name, w.OCSP != nil, len(w.Companions), want, text)
				}
			}
		}
		text = cfg.Show()
	}
}
