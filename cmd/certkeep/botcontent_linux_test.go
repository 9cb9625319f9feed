package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/ocsp"
)

// groupOfFiles is the number of the group that files are given to.
func (b *bot) groupOfFiles() uint32 {
	b.Helper()
	name := groupName(b)
	if strings.Contains(b.read("etc/acmebot/acmebot.json"), `"ssl-cert"`) {
		name = "ssl-cert"
	}
	group, err := user.LookupGroup(name)
	if err != nil {
		b.Fatal(err)
	}
	number, err := strconv.ParseUint(group.Gid, 10, 32)
	if err != nil {
		b.Fatal(err)
	}
	return uint32(number)
}

func groupOf(info fs.FileInfo) uint32 { return info.Sys().(*syscall.Stat_t).Gid }

// blocks are the kinds of PEM in a file, and the certificates in it.
func (b *bot) blocks(name string) (kinds []string, certs []*x509.Certificate) {
	b.Helper()
	for block, rest := pem.Decode([]byte(b.read(name))); block != nil; block, rest = pem.Decode(rest) {
		kinds = append(kinds, block.Type)
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			b.Fatalf("%s: %v", name, err)
		}
		certs = append(certs, cert)
	}
	return kinds, certs
}

// holds checks what the files of a certificate hold: they fit each other.
func (b *bot) holds(key, name string, kinds ...string) {
	b.Helper()
	params := []string{"DH PARAMETERS", "EC PARAMETERS"}
	if got, _ := b.blocks("etc/ssl/params/" + name + "_param.pem"); !slices.Equal(got, params) {
		b.Errorf("parameters of %s: %q", name, got)
	}
	for _, kind := range kinds {
		path := "etc/ssl/certs/" + name
		pair, err := tls.LoadX509KeyPair(b.at(path+"."+kind+".pem"), b.at("etc/ssl/private/"+key+"."+kind+".key"))
		if err != nil {
			b.Fatal(err)
		}
		full := "etc/ssl/private/" + name + "_full." + kind + ".key"
		if other, err := tls.LoadX509KeyPair(b.at(full), b.at(full)); err != nil || !bytes.Equal(other.Certificate[0], pair.Certificate[0]) {
			b.Errorf("%s does not fit: %v", full, err)
		}
		for file, want := range map[string][]string{
			full:                             slices.Concat([]string{"PRIVATE KEY", "CERTIFICATE", "CERTIFICATE"}, params),
			path + "." + kind + ".pem":       slices.Concat([]string{"CERTIFICATE", "CERTIFICATE"}, params),
			path + "+root." + kind + ".pem":  slices.Concat([]string{"CERTIFICATE", "CERTIFICATE", "CERTIFICATE"}, params),
			path + "_chain." + kind + ".pem": {"CERTIFICATE"},
		} {
			if got, _ := b.blocks(file); !slices.Equal(got, want) {
				b.Errorf("%s holds %q, want %q", file, got, want)
			}
		}
		_, certs := b.blocks(path + "+root." + kind + ".pem")
		for i := range certs[:len(certs)-1] {
			if err := certs[i].CheckSignatureFrom(certs[i+1]); err != nil {
				b.Errorf("%s+root.%s.pem: %v", path, kind, err)
			}
		}
		response, err := ocsp.Check([]byte(b.read("etc/ssl/ocsp/"+name+"."+kind+".ocsp")), certs[0], certs[1], time.Now())
		if err != nil || response.Status != ocsp.Good {
			b.Errorf("OCSP response of %s, %s: %+v, %v", name, kind, response, err)
		}
	}
}

// publicKeys are those of a key of acmebot's: primary and backup of each kind.
func (b *bot) publicKeys(key string, kinds ...string) (der [][]byte) {
	b.Helper()
	for _, file := range []string{".", "_backup."} {
		for _, kind := range kinds {
			signer, err := keys.Parse([]byte(b.read("etc/ssl/private/" + key + file + kind + ".key")))
			if err != nil {
				b.Fatal(err)
			}
			spki, err := x509.MarshalPKIXPublicKey(signer.Public())
			if err != nil {
				b.Fatal(err)
			}
			der = append(der, spki)
		}
	}
	return der
}

// pins checks the headers that pin a site to its keys, and to previous ones.
func (b *bot) pins(key string, previous [][]byte, kinds ...string) {
	b.Helper()
	var pins []string
	for _, spki := range append(b.publicKeys(key, kinds...), previous...) {
		sum := sha256.Sum256(spki)
		pins = append(pins, fmt.Sprintf(`pin-sha256=\"%s\"; `, base64.StdEncoding.EncodeToString(sum[:])))
	}
	for server, around := range map[string][2]string{
		"apache": {`Header always set Public-Key-Pins "`, "\"\n"}, "nginx": {`add_header Public-Key-Pins "`, "\" always;\n"},
	} {
		text := b.read("etc/ssl/hpkp/" + key + "." + server)
		header, ok := strings.CutSuffix(strings.TrimPrefix(text, around[0]), around[1])
		for _, pin := range pins {
			if rest := strings.Replace(header, pin, "", 1); rest != header {
				header = rest
			} else {
				b.Errorf("%s lacks %s:\n%s", server, pin, text)
			}
		}
		if want := "max-age=5184000; includeSubdomains;"; !ok || !strings.EqualFold(header, want) {
			b.Errorf("%s: beside pins %q, want %q", server, header, want)
		}
	}
}

// showsTLSA checks the records of a service: both digests of all keys.
func (b *bot) showsTLSA(name, form, key string, kinds ...string) {
	b.Helper()
	var want []string
	for _, spki := range b.publicKeys(key, kinds...) {
		short, long := sha256.Sum256(spki), sha512.Sum512(spki)
		want = append(want, fmt.Sprintf("300 IN TLSA %s 1 %x", form, short), fmt.Sprintf("300 IN TLSA %s 2 %x", form, long))
	}
	slices.Sort(want)
	if got := b.dns.Set(b, name, "TLSA"); !slices.Equal(got, want) {
		b.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
