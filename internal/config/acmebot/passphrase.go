package acmebot

import "strings"

// passphraseVariable is where acmebot looks for a passphrase first.
const passphraseVariable = "ACMEBOT_PASSPHRASE"

// passphraseTo says where the passphrase of a key comes from. One that stands
// in the file stays there: it is referred to.
func (t *translator) passphraseTo(to object, k *privateKey) {
	if !k.encrypted() {
		return
	}
	o := k.option("key_passphrase")
	s := o.source()
	if o.v.Kind != List && o.v.Kind != Table {
		t.passphraseCovers(o)
	}
	switch {
	case o.v.Kind == Text || o.v.Kind == Number:
		if o.At.File >= len(t.facts.Files) {
			t.fail(o.Origin, "a passphrase can be taken from a file only", "say true, and set the environment variable "+passphraseVariable)
			return
		}
		to.set("passphrase_file", s.text(t.facts.Files[o.At.File]+"#"+k.pointer(o)))
	case o.v.Kind != Bool:
		t.fail(o.Origin, "takes a text, true or false, not "+o.v.describe(), "")
	case t.facts.Passphrase == "env":
		to.set("passphrase_env", s.text(passphraseVariable))
	default:
		to.set("passphrase", s.text(t.facts.Passphrase))
	}
}

// pointer is the place of an option in its file, as a JSON pointer (RFC 6901).
func (k *privateKey) pointer(o option) string {
	for _, in := range k.tables {
		if own := in.option("key_passphrase"); own.given() && own.Key == o.Key {
			section, _, _ := strings.Cut(in.path, ".")
			return "/" + section + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(k.name) + "/key_passphrase"
		}
	}
	return "/settings/key_passphrase"
}
