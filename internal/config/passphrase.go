package config

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/certkeep/certkeep/internal/keys"
)

// Passphrase says under which passphrase the private keys in files are.
type Passphrase struct {
	Secret SecretRef // where it is, unless Ask says how it is got
	Ask    string    // PassphrasePrompt or PassphraseStdin
	KDF    keys.KDF  // "" is the default
}

// How a passphrase is got from whoever runs Certkeep.
const (
	PassphrasePrompt = "prompt" // asked for on the terminal
	PassphraseStdin  = "stdin"  // a line of standard input
	PassphraseNone   = "none"   // said to be none
)

// On reports whether there is one.
func (p Passphrase) On() bool { return p.Ask != PassphraseNone && (p.Ask != "" || !p.Secret.IsZero()) }

// Read reads a passphrase that is not asked for. It is one line, without its
// end; blanks in it count.
func (p Passphrase) Read() ([]byte, error) {
	value, err := p.Secret.read()
	if err != nil {
		return nil, err
	}
	line, err := PassphraseLine(value)
	if err != nil {
		return nil, fmt.Errorf("read passphrase: %s %w", p.Secret, err)
	}
	return line, nil
}

// PassphraseLine takes the end off a line that holds a passphrase.
func PassphraseLine(value []byte) ([]byte, error) {
	value = bytes.TrimSuffix(bytes.TrimSuffix(value, []byte("\n")), []byte("\r"))
	switch {
	case len(value) == 0:
		return nil, errors.New("is empty")
	case bytes.ContainsAny(value, "\n\r\x00"):
		return nil, errors.New("has more than one line")
	}
	return value, nil
}

// passphraseNames are the keys that say where the passphrase is. One of them
// replaces whatever `defaults` says.
func passphraseNames() []string {
	return []string{"passphrase", "passphrase_file", "passphrase_env", "passphrase_credential"}
}

// passphraseKeys are the keys of private keys under a passphrase.
func passphraseKeys[T any](p func(*T) *Passphrase) []key[T] {
	return []key[T]{
		field("passphrase_file", checked("an absolute path", "/etc/certkeep/key.passphrase", checkSecretFile), func(t *T) *string { return &p(t).Secret.File }, about{
			doc: "File that holds the passphrase under which private keys are written: as encrypted PKCS#8 with AES-256. A changed passphrase counts from the next installation on. The copy of a key in `state` is sealed by a `store_key_file` only. Key stores have a `password_file` of their own.", standard: "keys are written in the clear", example: "/etc/certkeep/key.passphrase", off: true,
		}),
		field("passphrase_env", checked("the name of an environment variable", "KEY_PASSPHRASE", checkEnv), func(t *T) *string { return &p(t).Secret.Env }, about{
			doc: "Environment variable that holds it.", standard: "none", example: "KEY_PASSPHRASE", off: true,
		}),
		field("passphrase_credential", identifier("credential", "key"), func(t *T) *string { return &p(t).Secret.Credential }, about{
			doc: "systemd credential (LoadCredential=) that holds it.", standard: "none", example: "key-passphrase", off: true,
		}),
		field("passphrase", either("prompt, stdin or false", PassphrasePrompt,
			off(PassphraseNone, func(ask string) bool { return ask == PassphraseNone }), oneOf("way to get a passphrase", PassphrasePrompt, PassphraseStdin)), func(t *T) *string { return &p(t).Ask }, about{
			doc: "`prompt` asks on the terminal when a key is to be written; `stdin` reads a line of standard input for each certificate that says so, in the order of their names. `false` writes keys in the clear whatever `defaults` says.", standard: "none", example: PassphrasePrompt, off: true,
		}),
		field("kdf", oneOf("key derivation", keys.KDFs()...), func(t *T) *keys.KDF { return &p(t).KDF }, about{
			doc: "How the passphrase becomes a key: `pbkdf2`, or `scrypt`, which costs whoever guesses memory as well.", standard: "`pbkdf2`", example: "scrypt", off: true,
		}),
	}
}

// onePassphrase counts the places that are named, at most one of which may be.
func onePassphrase(r *reader, n *node) (given string) {
	count := 0
	for _, k := range passphraseNames() {
		if n.has(k) {
			given = k
			count++
		}
	}
	if count > 1 {
		r.out.add(n.placeOf(given), fmt.Sprintf("at most one of passphrase, passphrase_file, passphrase_env and passphrase_credential can be said, not %d", count), "")
	}
	return given
}

// finishPassphrase lets what a certificate says of its passphrase replace what
// `defaults` says.
func finishPassphrase(r *reader, n *node, c *Certificate) {
	p := c.Passphrase
	switch given := onePassphrase(r, n); given {
	case "passphrase_file":
		p.Ask, p.Secret = "", SecretRef{File: p.Secret.File}
	case "passphrase_env":
		p.Ask, p.Secret = "", SecretRef{Env: p.Secret.Env}
	case "passphrase_credential":
		p.Ask, p.Secret = "", SecretRef{Credential: p.Secret.Credential}
	case "passphrase":
		p.Secret = SecretRef{}
	}
	if n.has("kdf") && !p.On() {
		r.out.add(n.placeOf("kdf"), "kdf is for keys under a passphrase", "add passphrase_file, or leave it out")
	}
	if !p.On() {
		p.KDF = ""
	}
	c.Passphrase = p
	for _, k := range passphraseNames() {
		if n.has(k) {
			r.mark("certificates."+c.Name+".passphrase", n.get(k).value)
		}
	}
	if n.has("root_file") {
		r.mark("certificates."+c.Name+".root_file", n.get("root_file").value)
	}
}
