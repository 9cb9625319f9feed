package acmebot

import (
	"fmt"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/params"
)

// The parts of files, in Certkeep's words.
const (
	partKey      = "key"
	partNext     = "backup-key"
	partPrevious = "previous-key"
	partLeaf     = "certificate"
	partChain    = "chain"
	partRoot     = "root"
	partDH       = "dh-params"
	partEC       = "ec-params"
)

// kindOfFile is one of the files that acmebot writes.
type kindOfFile struct {
	key          string // in directories and file_names
	folder, name string // acmebot's defaults
	mode         string
	parts        []string
	always       bool // cannot be turned off
	once         bool // one for all key types
	params       bool // parameters follow the parts
	needsRoot    bool
}

func certificateFiles() []kindOfFile {
	return []kindOfFile{
		{key: "certificate", folder: "/etc/ssl/certs", name: "{name}{suffix}.pem", mode: "0644", parts: []string{partLeaf, partChain}, always: true, params: true},
		{key: "full_certificate", folder: "/etc/ssl/certs", name: "{name}+root{suffix}.pem", mode: "0644", parts: []string{partLeaf, partChain, partRoot}, params: true, needsRoot: true},
		{key: "chain", folder: "/etc/ssl/certs", name: "{name}_chain{suffix}.pem", mode: "0644", parts: []string{partChain}},
		{key: "full_key", folder: "/etc/ssl/private", name: "{name}_full{suffix}.key", mode: "0640", parts: []string{partKey, partLeaf, partChain}, params: true},
		{key: "param", folder: "/etc/ssl/params", name: "{name}_param.pem", mode: "0640", once: true, params: true},
	}
}

func keyFiles() []kindOfFile {
	return []kindOfFile{
		{key: "private_key", folder: "/etc/ssl/private", name: "{name}{suffix}.key", mode: "0640", parts: []string{partKey}, always: true},
		{key: "backup_key", folder: "/etc/ssl/private", name: "{name}_backup{suffix}.key", mode: "0600", parts: []string{partNext}, always: true},
		{key: "previous_key", folder: "", name: "{name}_previous{suffix}.key", mode: "0600", parts: []string{partPrevious}},
	}
}

// fields are what acmebot puts into the names of files and folders.
func (t *translator) fields(name, kind string) map[string]string {
	return map[string]string{"name": name, "key_type": kind, "suffix": t.suffixes[kind], "server": ""}
}

// filesTo lists the files of some kinds for the key types given.
func (t *translator) filesTo(to object, kinds []kindOfFile, name string, k *privateKey, types, extra []string) {
	list := &Value{Kind: List}
	for _, f := range kinds {
		folder := t.dirs.option(f.key)
		if list.At == (Place{}) {
			list.At = folder.source().place()
		}
		if folder.given() && folder.text(f.folder) == "" && f.always {
			t.fail(folder.Origin, "this folder cannot be turned off", "name a folder, or remove the key")
			continue
		}
		parts := f.parts
		if f.params {
			parts = slices.Concat(parts, extra)
		}
		if len(parts) == 0 {
			continue
		}
		for i, kind := range types {
			if f.once && i > 0 || f.needsRoot && !t.facts.Exists(t.root(kind)) {
				continue
			}
			file, ok := t.fileIn(folder, f.folder, f.key, f.name, t.fields(name, kind))
			if !ok {
				continue
			}
			s := folder.source()
			entry := t.object(s)
			entry.set("path", s.text(file))
			entry.set("content", s.texts(parts...))
			entry.set("mode", s.text(f.mode))
			entry.set("key_type", s.text(string(k.sizes[kind])))
			list.Items = append(list.Items, entry.v)
		}
	}
	to.set("files", list)
}

// root is the file of roots for a kind of key: beside the configuration, and
// named like a certificate.
func (t *translator) root(kind string) string {
	base, _ := format(t.names.option("certificate").text("{name}{suffix}.pem"), t.fields("root_cert", kind))
	return t.absolute(strings.ReplaceAll(base, "*", "_"))
}

// dhTo says which Diffie-Hellman group stands in files, if any does: the one of
// RFC 7919 with that size. One of another size has to be searched for, unless
// that would be weak, or take hours.
func (t *translator) dhTo(to object, c *certificate) bool {
	const leastOwn, mostOwn = 2048, 4096
	o := c.option("dhparam_size")
	bits := o.number(2048)
	if bits <= 0 {
		return false
	}
	group := params.GroupOf(bits)
	if group != bits && bits > leastOwn && bits < mostOwn {
		to.child("dh_params", o.source()).set("own", o.source().number(bits))
		return true
	}
	if group != bits {
		t.warn(o.Origin, fmt.Sprintf("no group of %d bits is made: it would be weak, or be searched for hours", bits), fmt.Sprintf("ffdhe%d is used", group))
	}
	to.set("dh_params", o.source().text(fmt.Sprintf("ffdhe%d", group)))
	return true
}

// paramsTo says which parameters stand in files, and returns their parts.
func (t *translator) paramsTo(to object, c *certificate) (parts []string) {
	if t.dhTo(to, c) {
		parts = append(parts, partDH)
	}
	o := c.option("ecparam_curve")
	curves := o.texts("x448", "x25519", "secp521r1", "secp384r1", "secp256k1")
	if own := slices.DeleteFunc(slices.Clone(curves), func(curve string) bool {
		_, err := params.Curve(curve)
		if err != nil && o.given() {
			t.warn(o.Origin, err.Error(), "it is left out, as acmebot does")
		}
		return err != nil
	}); len(own) > 0 {
		to.set("ec_params", o.source().texts(own...))
		parts = append(parts, partEC)
	}
	return parts
}
