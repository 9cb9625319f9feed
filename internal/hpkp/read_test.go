package hpkp

import (
	"slices"
	"strings"
	"testing"
)

func TestPinsIn(t *testing.T) {
	for header, want := range map[string][]string{
		"":                                    nil,
		`max-age=1`:                           nil,
		`pin-sha256="AA=="; max-age=1;`:       {"AA=="},
		` PIN-SHA256 = "AA==" ;pin-sha256=bb`: {"AA==", "bb"},
		`report-uri="https://r.example/;pin-sha256=no"; pin-sha256="AA=="`: {"AA=="},
		`pin-sha1="AA=="; pin-sha256`:                                      nil,
		`pin-sha256="AA==`:                                                 {"AA=="},
	} {
		if got := PinsIn(header); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	// What Header writes is read back.
	pins := []string{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}
	header, err := Policy{Pins: pins, Days: 1, Subdomains: true, ReportURI: "https://r.example/;pin-sha256=no"}.Header()
	if err != nil {
		t.Fatal(err)
	}
	if got := PinsIn(strings.ReplaceAll(header, `\"`, `"`)); !slices.Equal(got, pins) {
		t.Errorf("%s: %q", header, got)
	}
}
