package config

import (
	"fmt"
	"strings"
	"testing"
)

// manyCertificates is a configuration of n certificates of one line each.
func manyCertificates(n int) []byte {
	var b strings.Builder
	b.WriteString("email: admin@example.com\naccept_terms: true\nchallenges: [{http-01: {webroot: /var/www/html}}]\ncertificates:\n")
	for i := range n {
		fmt.Fprintf(&b, "  site%d.example.com: {names: [site%d.example.com, www.site%d.example.com], services: [nginx]}\n", i, i, i)
	}
	return []byte(b.String())
}

func BenchmarkLoad10000(b *testing.B) {
	data := manyCertificates(10_000)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := LoadBytes("certkeep.yaml", data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParse10000 is the YAML library's part of BenchmarkLoad10000.
func BenchmarkParse10000(b *testing.B) {
	data := manyCertificates(10_000)
	b.ReportAllocs()
	for b.Loop() {
		if parseYAML(&findings{files: []string{"certkeep.yaml"}}, 0, data) == nil {
			b.Fatal("not parsed")
		}
	}
}

func BenchmarkWanted10000(b *testing.B) {
	cfg, _, err := LoadBytes("certkeep.yaml", manyCertificates(10_000))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		cfg.Wanted()
	}
}
