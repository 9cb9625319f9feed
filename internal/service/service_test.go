package service

import (
	"slices"
	"testing"
)

func TestBuiltins(t *testing.T) {
	want := []string{"apache", "dovecot", "haproxy", "nginx", "opensmtpd", "postfix", "postgresql", "prosody", "vsftpd"}
	if got := Names(); !slices.Equal(got, want) {
		t.Fatalf("Names() = %v, want %v", got, want)
	}
	for _, name := range want {
		s, ok := Builtin(name)
		if !ok || s.Name != name {
			t.Errorf("Builtin(%q) = %+v, %v", name, s, ok)
		}
		if len(s.Reload) == 0 || len(s.Verify) == 0 {
			t.Errorf("%s: a built-in service needs a reload and an endpoint: %+v", name, s)
		}
		for _, a := range slices.Concat(s.Check, s.Reload, s.Status) {
			if a.IsZero() {
				t.Errorf("%s: an action that does nothing", name)
			}
		}
	}
	if _, ok := Builtin("gopher"); ok {
		t.Error("Builtin knows gopher")
	}
}

// Whoever changes what Builtin returned must not change what the next caller gets.
func TestBuiltinIsACopy(t *testing.T) {
	s, _ := Builtin("nginx")
	s.Check[0].Args[0] = "rm"
	again, _ := Builtin("nginx")
	if got := again.Check[0].Args[0]; got != "nginx" {
		t.Errorf("the built-in nginx is checked by %q now", got)
	}
}
