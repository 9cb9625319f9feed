package config

import "testing"

func TestNearest(t *testing.T) {
	keys := []string{"certificates", "challenges", "state", "email", "listen", "accept_terms", "log", "dns"}
	for word, want := range map[string]string{
		"certficates": "certificates", "Certificates": "certificates", "certificate": "certificates",
		"chalenges": "challenges", "emial": "email", "listener": "listen", "terms": "accept_terms",
		"store": "", "x": "", "": "", "lgo": "log", "sdn": "", "zzzzzzzzzzzz": "",
		string(make([]byte, 100)): "",
	} {
		if got := nearest(word, keys); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"a", "a", 0},
		{"ab", "ba", 1},
		{"abc", "ac", 1},
		{"ac", "abc", 1},
		{"abc", "axc", 1},
		{"abcd", "badc", 2},
		{"abc", "xyz", 3},
		{"kitten", "sitting", 3},
		{"a", "abcdefgh", 5}, // bounded by the limit
	} {
		if got := distance(c.a, c.b, 5); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
