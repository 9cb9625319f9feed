package acmebot

import (
	"fmt"
	"path"
	"slices"
)

// standardFolder is where acmebot keeps its account. Certkeep's state lies
// below it.
const standardFolder = "/var/local/acmebot"

// StateFolder is the name of Certkeep's state in acmebot's folder `resource`.
const StateFolder = "certkeep"

// general says what is said once: state, account, log, and what all
// certificates have in common.
func (t *translator) general(out object, top table) {
	resource := t.dirs.option("resource")
	folder := resource.text(standardFolder)
	if folder == "" {
		t.fail(resource.Origin, "the folder of the account cannot be turned off", "name a folder, or remove the key")
	}
	out.set("state", resource.source().text(path.Join(t.absolute(folder), StateFolder)))
	email := t.section(top, "account").option("email")
	if address := email.text(""); address != "" {
		out.set("email", email.source().text(address))
	}
	// acmebot agrees to a CA's terms by itself wherever no terminal is.
	out.set("accept_terms", email.source().truth(true))
	t.log(out)
	t.waitTo(out)
	if o := t.settings.option("warning_exit_code"); o.truth(false) {
		out.set("warning_exit_code", o.source().truth(true))
	}
	out.set("revoke", resource.source().text("withdraw"))
	if pid := t.dirs.option("pid"); pid.text("") != "" {
		out.set("pid_file", pid.source().text(path.Join(t.absolute(pid.text("")), "acmebot.pid")))
	}
	t.storeKeyTo(out)
	t.suffixesTo(out)
	t.archiveTo(out)
	defaults := out.child("defaults", t.sourceOf(Origin{Key: "settings", At: t.settings.at, Default: true}))
	days := t.settings.option("renewal_days")
	n := days.number(30)
	if n == 0 {
		t.warn(days.Origin, "0 would renew a certificate only after its end", "Certkeep renews a day before it")
		n = 1
	}
	defaults.child("renew", days.source()).set("before", days.source().days(n))
	defaults.set("owner", t.owner)
	defaults.set("group", t.group)
}

// archiveTo says where files are kept that were replaced. acmebot keeps them
// for ever.
func (t *translator) archiveTo(out object) {
	o := t.dirs.option("archive")
	folder := o.text("/etc/ssl/archive")
	if folder == "" {
		return // in the state
	}
	keep := out.child("keep", o.source())
	keep.set("archive", o.source().text("0s"))
	keep.set("archive_directory", o.source().text(t.absolute(folder)))
}

// log says what is logged. acmebot logs to a file beside what it prints.
func (t *translator) log(out object) {
	level := t.settings.option("log_level")
	levels := []string{"normal", "verbose", "debug", "detail"}
	said := level.text("debug")
	if said != "" && !slices.Contains(levels, said) {
		t.fail(level.Origin, "unknown level "+quoted(said), t.didYouMean(said, levels)+"; null logs to no file")
		return
	}
	folder := t.dirs.option("log")
	file, ok := t.fileIn(folder, "/var/log/acmebot", "log", "acmebot.log", map[string]string{"name": "acmebot", "key_type": "", "suffix": "", "server": ""})
	s, colour, silent := level.source(), t.settings.option("color_output"), said == "" || !ok
	plain := !colour.truth(true)
	if silent && !plain {
		return
	}
	log := out.child("log", s)
	if plain {
		log.set("color", colour.source().text("never"))
	}
	if silent {
		return
	}
	switch said {
	case "debug", "detail":
		log.set("level", s.text("debug"))
	}
	log.set("file", folder.source().text(file))
	log.set("mode", s.text("0640"))
	for _, k := range []struct{ key, standard, to string }{{"log_user", "root", "owner"}, {"log_group", "adm", "group"}} {
		o := t.settings.option(k.key)
		who := o.text(k.standard)
		if who == "" || !o.given() && t.lookUp(k.to)(who) != "" {
			continue // acmebot's default does without a word
		}
		log.set(k.to, t.belongs(o, who, k.to))
	}
}

// suffixesTo says what {suffix} stands for.
func (t *translator) suffixesTo(out object) {
	if t.suffixes[rsa] == ".rsa" && t.suffixes[ecdsa] == ".ecdsa" {
		return
	}
	for _, k := range t.keys {
		if len(k.types) > 1 && t.suffixes[rsa] == t.suffixes[ecdsa] {
			t.fail(Origin{Key: "key_type_suffixes", At: t.place}, "both key types have the suffix "+quoted(t.suffixes[rsa]), "files of one would replace those of the other; choose different ones")
			return
		}
	}
}

func (t *translator) readSuffixes(in table) map[string]string {
	suffixes := make(map[string]string)
	for _, kind := range []string{rsa, ecdsa} {
		suffixes[kind] = in.option(kind).text("." + kind)
	}
	return suffixes
}

// readOwner finds out who is to own what is installed. A user or group that
// does not exist leaves that as it is.
func (t *translator) readOwner() {
	user, group := t.settings.option("file_user"), t.settings.option("file_group")
	if who := user.text("root"); who != "" {
		t.owner = t.belongs(user, who, "owner")
	}
	if who := group.text("ssl-cert"); who != "" {
		t.group = t.belongs(group, who, "group")
	}
}

// belongs is the user or group of files, or nil with a warning.
func (t *translator) belongs(o option, who, kind string) *Value {
	hint := "files stay with the user that runs this"
	if kind == "group" {
		hint = "files stay with the group of the user that runs this"
	}
	if wrong := t.lookUp(kind)(who); wrong != "" {
		t.warn(o.Origin, wrong, hint)
		return nil
	}
	return o.source().text(who)
}

// lookUp says why files cannot be given to an owner or a group.
func (t *translator) lookUp(kind string) func(who string) string {
	if kind == "group" {
		return t.facts.Group
	}
	return t.facts.User
}

// longestWait is how long acmebot waits at most, in seconds.
const longestWait = 24 * 60 * 60

// waitTo says how long a run waits that is asked to.
func (t *translator) waitTo(out object) {
	least, most := t.settings.option("min_run_delay"), t.settings.option("max_run_delay")
	from := least
	if !least.given() {
		from = most
	}
	a, b := min(least.number(300), longestWait), min(most.number(3600), longestWait)
	out.set("wait_random", from.source().text(fmt.Sprintf("%ds-%ds", min(a, b), max(a, b))))
}
