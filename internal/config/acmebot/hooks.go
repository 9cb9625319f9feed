package acmebot

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// hookFields are the events of acmebot with the fields of each.
func hookFields() map[string][]string {
	record := []string{"domain", "zone", "challenge"}
	answer := []string{"domain", "challenge_file"}
	key := func(more ...string) []string { return append(more, "key_name", "key_type", "passphrase") }
	of := func(file string) []string { return []string{"key_name", "key_type", "certificate_name", file} }
	return map[string][]string{
		"set_dns_challenge":          record,
		"clear_dns_challenge":        record,
		"dns_zone_update":            {"zone"},
		"set_http_challenge":         answer,
		"clear_http_challenge":       answer,
		"private_key_rollover":       key("private_key_file", "backup_key_file", "previous_key_file"),
		"private_key_installed":      key("private_key_file"),
		"backup_key_installed":       key("backup_key_file"),
		"previous_key_installed":     key("previous_key_file"),
		"hpkp_header_installed":      {"key_name", "server", "header", "hpkp_file"},
		"certificate_installed":      of("certificate_file"),
		"full_certificate_installed": of("full_certificate_file"),
		"chain_installed":            of("chain_file"),
		"full_key_installed":         of("full_key_file"),
		"params_installed":           {"key_name", "certificate_name", "params_file"},
		"sct_installed":              append(of("sct_file"), "ct_log_name"),
		"ocsp_installed":             of("ocsp_file"),
	}
}

// Hooks are the events of acmebot that a hook can be given for, sorted.
func Hooks() []string { return slices.Sorted(maps.Keys(hookFields())) }

// hooksTo says what is run at events: acmebot's shell texts, in which each
// field has become a variable. Its value is never part of the text.
func (t *translator) hooksTo(out object, in table) {
	var hooks object
	for _, p := range in.pairs() {
		o := in.option(p.Key)
		fields, known := hookFields()[p.Key]
		text := o.text("")
		if text == "" || !known {
			continue
		}
		shell, wrong := withVariables(text, fields)
		if wrong != "" {
			slices.Sort(fields)
			t.fail(o.Origin, wrong, "known: {"+strings.Join(fields, "}, {")+"}")
			continue
		}
		if slices.Contains(fields, "passphrase") && strings.Contains(shell, "$passphrase") || strings.Contains(shell, "${passphrase}") {
			t.warn(o.Origin, "this hook is left out: hooks are not told passphrases, since other users see the arguments of programs", "let the program read the passphrase itself, and take {passphrase} out")
			continue
		}
		s := o.source()
		if hooks.v == nil {
			hooks = out.child("hooks", s)
		}
		hook := hooks.child(p.Key, s)
		hook.child("command", s).set("shell", s.text(shell))
		hook.set("timeout", s.seconds(longest))
	}
}

// longest is how long a program may take, in seconds, to which acmebot sets no
// limit.
const longest = 15 * 60

// withVariables turns the fields of a hook's text into variables of the shell,
// quoted as the place in the text demands it.
func withVariables(text string, fields []string) (shell, wrong string) {
	var b strings.Builder
	var at quoting
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch doubled := i+1 < len(text) && text[i+1] == c; {
		case c == '\\' && at.quote != '\'' && i+1 < len(text):
			b.WriteByte(c)
			i++
			b.WriteByte(text[i])
		case (c == '{' || c == '}') && doubled:
			b.WriteByte(c) // a brace that is meant
			i++
		case c == '}':
			return "", fmt.Sprintf("%s has a } without {", quoted(text))
		case c == '{':
			field, _, closed := strings.Cut(text[i+1:], "}")
			switch {
			case !closed:
				return "", fmt.Sprintf("%s has a { without }", quoted(text))
			case !slices.Contains(fields, field):
				return "", fmt.Sprintf("%s has an unknown field {%s}", quoted(text), field)
			}
			b.WriteString(variable(field, at.quote))
			i += len(field) + 1
		default:
			at.next(c)
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

// quoting follows in which quotes of the shell a place is. Within parentheses,
// as of $(...), quotes begin afresh.
type quoting struct {
	quote byte   // ', " or 0
	outer []byte // around the parentheses
	last  byte
}

func (q *quoting) next(c byte) {
	switch {
	case (c == '\'' || c == '"') && (q.quote == 0 || q.quote == c):
		q.quote ^= c // 0 while it is open, else it again
	case c == '(' && (q.quote == 0 || q.quote == '"' && q.last == '$'):
		q.outer, q.quote = append(q.outer, q.quote), 0
	case c == ')' && q.quote == 0 && len(q.outer) > 0:
		last := len(q.outer) - 1
		q.outer, q.quote = q.outer[:last], q.outer[last]
	}
	q.last = c
}

// variable is a variable of the shell within quotes, or outside (0).
func variable(name string, quote byte) string {
	switch quote {
	case '"':
		return "${" + name + "}"
	case '\'':
		return `'"$` + name + `"'`
	}
	return `"$` + name + `"`
}
