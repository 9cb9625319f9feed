package acmebot

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// storeKeyTo names the key of the store, which is a key of Certkeep's that
// acmebot ignores.
func (t *translator) storeKeyTo(out object) {
	if o := t.settings.option("store_key_file"); o.text("") != "" {
		out.set("store_key_file", o.source().text(t.absolute(o.text(""))))
	}
}

// passphraseCovers warns of what the passphrase of a key does not keep from
// others: acmebot has the key in files alone, Certkeep in its store too. That is said once.
func (t *translator) passphraseCovers(o option) {
	if !t.toldOfStore && t.settings.option("store_key_file").text("") == "" {
		t.toldOfStore = true
		t.warn(o.Origin, "the files are under this passphrase, the copies of the keys in Certkeep's state are not",
			"seal them: `certkeep store key FILE`, and name FILE in settings.store_key_file, which acmebot ignores")
	}
	if o.v.Kind != Text && o.v.Kind != Number || o.At.File >= len(t.facts.Files) {
		return
	}
	if words := t.facts.Exposed(t.facts.Files[o.At.File]); words != "" {
		t.warn(o.Origin, "this passphrase is no secret: "+words, "")
	}
}

// letsEncrypt reports whether Let's Encrypt is asked.
func (t *translator) letsEncrypt() bool { return strings.HasPrefix(t.issuerName, "letsencrypt") }

// mustStapleTo says whether a certificate demands a staple.
func (t *translator) mustStapleTo(to object, c *certificate) {
	o := c.option("ocsp_must_staple")
	if !o.truth(false) {
		return
	}
	if t.letsEncrypt() {
		t.warn(o.Origin, "Let's Encrypt refuses such orders since 2025-05", "say false, or name another CA in settings.acme_directory_url")
	}
	to.set("must_staple", o.source().truth(true))
}

// noResponder warns of files that nothing will be written to.
func (t *translator) noResponder(folder option, live []string) {
	if t.letsEncrypt() && len(live) == 0 {
		t.warn(folder.Origin, "certificates of Let's Encrypt name no OCSP responder since 2025-05: no response is kept here", "leave it out, and take stapling out of the configuration of services")
	}
}

// earlierFolder warns of files that acmebot wrote before, to a folder that it
// writes to no more unless it is named, where that folder is there.
func (t *translator) earlierFolder(folder option, name, standard, what string) {
	if folder.given() || !t.facts.Exists(standard) || slices.Contains(t.toldOfFolders, name) {
		return
	}
	t.toldOfFolders = append(t.toldOfFolders, name)
	t.warn(folder.Origin, fmt.Sprintf("%s is there, where older versions of acmebot kept %s: none are written now, and those there grow old", standard, what),
		fmt.Sprintf("set directories.%s to %s where services read them, to null where none does", name, standard))
}

// builtInLogs warns of receipts that are written no more: where a folder for
// them is named or there, and no log.
func (t *translator) builtInLogs(names, folder option, c *certificate) {
	const standard = "/etc/ssl/scts/{name}/{key_type}"
	file, ok := t.fileIn(folder, standard, "sct", "{ct_log_name}.sct", t.sctFields(c))
	if !ok || !folder.given() && !t.facts.Exists(path.Dir(file)) {
		return
	}
	origin := names.Origin
	if folder.given() {
		origin = folder.Origin
	}
	t.warn(origin, fmt.Sprintf("the logs that acmebot has built in take nothing any more: no receipts (SCTs) are written to %s", folder.text(standard)),
		"public CAs put them into certificates; for files name logs in ct_submit_logs and describe them in ct_logs, else set directories.sct to null")
}

// sctFields are the fields of one file for a receipt.
func (t *translator) sctFields(c *certificate) map[string]string {
	fields := t.fields(c.name, rsa)
	if len(c.types) > 0 {
		fields = t.fields(c.name, c.types[0])
	}
	fields["ct_log_name"] = "log"
	return fields
}
