package acmebot

import (
	"os"
	"os/exec"
	"testing"
)

// A field has the value that was given, wherever in a text it stands, and is
// never read as a part of the text.
func TestFieldsOfHooksAreVariables(t *testing.T) {
	const value = `a b'"$(touch spoilt)\;*`
	for text, want := range map[string]string{
		"printf %s {f}":                value,
		"printf %s x{f}y":              "x" + value + "y",
		`printf %s "x {f} y"`:          "x " + value + " y",
		`printf %s 'x {f} y'`:          "x " + value + " y",
		`printf %s "\"{f}"`:            `"` + value,
		`printf %s \"{f}\'`:            `"` + value + `'`,
		`printf %s '"'{f}'"'`:          `"` + value + `"`,
		`x() { printf %s {{}}; }; x`:   "{}",
		`printf %s '{{{f}}}'`:          "{" + value + "}",
		"set -- {f}; printf '%s' $#":   "1",
		`printf %s "$(printf %s {f})"`: value,
	} {
		shell, wrong := withVariables(text, []string{"f"})
		if text == `x() { printf %s {{}}; }; x` {
			if wrong == "" {
				t.Errorf("%s: a brace that is not doubled became %s", text, shell)
			}
			continue
		}
		if wrong != "" {
			t.Errorf("%s: %s", text, wrong)
			continue
		}
		cmd := exec.Command("/bin/sh", "-c", shell)
		cmd.Env, cmd.Dir = append(os.Environ(), "f="+value), t.TempDir()
		got, err := cmd.CombinedOutput()
		if err != nil || string(got) != want {
			t.Errorf("%s became %s, which prints %q (%v), want %q", text, shell, got, err, want)
		}
		if _, err := os.Stat(cmd.Dir + "/spoilt"); err == nil {
			t.Errorf("%s became %s, which runs the value", text, shell)
		}
	}
}
