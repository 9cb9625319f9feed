package dns

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// TSIG is a shared key for signed updates (RFC 8945). It prints its name, not
// its secret.
type TSIG struct {
	name      string // canonical
	algorithm string // canonical, with a trailing dot
	secret    string // base64
}

// String names the key.
func (k TSIG) String() string { return fmt.Sprintf("%q (%s)", plain(k.name), plain(k.algorithm)) }

// GoString is what %#v prints: the same.
func (k TSIG) GoString() string { return k.String() }

// maxKeyFile bounds what ParseTSIG reads; a key file has some 100 bytes.
const maxKeyFile = 16 << 10

// ParseTSIG reads a key file as tsig-keygen and BIND write it:
//
//	key "name" { algorithm hmac-sha256; secret "c2VjcmV0"; };
//
// or as dnssec-keygen once wrote it, see keyRecord.
// Comments of BIND's three kinds are skipped. There must be exactly one key.
// See TSIG.Weak for HMAC-MD5. No error quotes the secret.
func ParseTSIG(text []byte) (TSIG, error) {
	if len(text) > maxKeyFile {
		return TSIG{}, fmt.Errorf("a TSIG key file of %d bytes is too long", len(text))
	}
	if name, algorithm, secret, ok := keyRecord(string(text)); ok {
		p := keyParser{}
		k := p.checked(name, algorithm, secret)
		return k, p.err
	}
	words, err := keyWords(string(text))
	if err != nil {
		return TSIG{}, err
	}
	p := keyParser{words: words}
	k := p.key()
	if p.err != nil {
		return TSIG{}, p.err
	}
	if len(p.words) > 0 {
		return TSIG{}, errors.New("the TSIG key file holds more than one key; leave one")
	}
	return k, nil
}

// NewTSIG makes a key of its three parts, the secret in base64. No error
// quotes the secret.
func NewTSIG(name, algorithm, secret string) (TSIG, error) {
	p := keyParser{}
	k := p.checked(name, algorithm, secret)
	return k, p.err
}

// keyParser reads words until the first error.
type keyParser struct {
	words []string
	err   error
}

func (p *keyParser) next(what string) string {
	if p.err != nil {
		return ""
	}
	if len(p.words) == 0 {
		p.err = fmt.Errorf("the TSIG key file ends where %s is expected", what)
		return ""
	}
	word := p.words[0]
	p.words = p.words[1:]
	return word
}

// expect never quotes what it found: it may be the secret.
func (p *keyParser) expect(word string) {
	if got := p.next(fmt.Sprintf("%q", word)); got != word && p.err == nil {
		p.err = fmt.Errorf(`the TSIG key file lacks %q; it should look like: key "name" { algorithm hmac-sha256; secret "…"; };`, word)
	}
}

func (p *keyParser) key() TSIG {
	p.expect("key")
	name := p.next("the key's name")
	p.expect("{")
	var algorithm, secret string
	for p.err == nil && len(p.words) > 0 && p.words[0] != "}" {
		switch field := p.next("algorithm or secret"); field {
		case "algorithm":
			algorithm = p.next("the algorithm")
		case "secret":
			secret = p.next("the secret")
		default:
			p.err = errors.New("the TSIG key file has something other than algorithm and secret in its key")
		}
		p.expect(";")
	}
	p.expect("}")
	p.expect(";")
	if p.err != nil {
		return TSIG{}
	}
	return p.checked(name, algorithm, secret)
}

func (p *keyParser) checked(name, algorithm, secret string) TSIG {
	canonicalName, err := canonical(name)
	if err != nil {
		p.err = errors.New("the name of the TSIG key is not a DNS name") // unquoted: who knows what stands there
		return TSIG{}
	}
	algorithm = strings.ToLower(dns.Fqdn(algorithm))
	switch algorithm {
	case dns.HmacSHA1, dns.HmacSHA224, dns.HmacSHA256, dns.HmacSHA384, dns.HmacSHA512:
	case "hmac-md5.", hmacMD5:
		algorithm = hmacMD5
	default:
		p.err = fmt.Errorf("the TSIG key %q has no algorithm out of hmac-sha1, -sha224, -sha256, -sha384, -sha512", name)
		return TSIG{}
	}
	if raw, err := base64.StdEncoding.DecodeString(secret); err != nil || len(raw) == 0 {
		p.err = fmt.Errorf("the secret of the TSIG key %q is not base64", name)
		return TSIG{}
	}
	return TSIG{name: canonicalName, algorithm: algorithm, secret: secret}
}

// keyWords splits a key file into words, quoted strings, and the signs { } ;.
func keyWords(text string) ([]string, error) {
	var words []string
	for text != "" {
		switch c := text[0]; {
		case strings.ContainsRune(" \t\r\n", rune(c)):
			text = text[1:]
		case c == '#' || strings.HasPrefix(text, "//"):
			_, text, _ = strings.Cut(text, "\n")
		case strings.HasPrefix(text, "/*"):
			_, rest, closed := strings.Cut(text[2:], "*/")
			if !closed {
				return nil, errors.New("the TSIG key file has a comment that does not end")
			}
			text = rest
		case strings.ContainsRune("{};", rune(c)):
			words, text = append(words, text[:1]), text[1:]
		case c == '"':
			word, rest, closed := strings.Cut(text[1:], `"`)
			if !closed || strings.Contains(word, "\n") {
				return nil, errors.New("the TSIG key file has a quoted string that does not end")
			}
			words, text = append(words, word), rest
		default:
			end := strings.IndexAny(text, " \t\r\n{};\"#")
			if end < 0 {
				end = len(text)
			}
			words, text = append(words, text[:end]), text[end:]
		}
	}
	return words, nil
}
