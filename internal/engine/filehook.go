package engine

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// Hooks of acmebot's events of files and keys are told of one thing each, and
// only of what changed. A pending one therefore stands with its fields:
// "EVENT FIELD=VALUE …".

// pendingHook is how a hook that is still to run is remembered.
func pendingHook(event string, fields map[string]string) string {
	words := []string{event}
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		words = append(words, field+"="+url.QueryEscape(fields[field]))
	}
	return strings.Join(words, " ")
}

// hookFields are what a remembered hook is told; nil where it stands alone.
func hookFields(pending string) map[string]string {
	_, rest, with := strings.Cut(pending, " ")
	if !with {
		return nil
	}
	fields := map[string]string{}
	for word := range strings.FieldsSeq(rest) {
		field, value, _ := strings.Cut(word, "=")
		if text, err := url.QueryUnescape(value); err == nil { // else somebody else wrote the record
			fields[field] = text
		}
	}
	return fields
}

// keyName is acmebot's name of the key that the certificate is on.
func (w *worker) keyName() string {
	if w.want.Keys != "" {
		return w.want.Keys
	}
	return w.want.Name
}

// acmebotHook is a hook of acmebot's to run, where it is configured.
func (w *worker) acmebotHook(event string, fields map[string]string) []string {
	if _, configured := w.hookOf(event); !configured {
		return nil
	}
	fields["key_name"], fields["certificate_name"] = w.keyName(), w.want.Name
	return []string{pendingHook(event, fields)}
}

// fileHooks are the hooks of acmebot for the files that an installation
// changed.
func (w *worker) fileHooks(ctx context.Context, fact plan.Target, name string, r deploy.Result) []string {
	changed := changedIn(fact, r)
	switch {
	case !w.hearsOfFiles():
		return nil
	case name == plan.CompanionOCSP || name == plan.CompanionSCT || name == plan.CompanionHPKP:
		return w.companionHooks(name, changed)
	}
	return w.hooksOf(w.filesOf(ctx, name), changed)
}

// hearsOfFiles reports whether some hook is acmebot's.
func (w *worker) hearsOfFiles() bool {
	return slices.ContainsFunc(config.AcmebotEvents(), func(event string) bool { _, ok := w.hookOf(event); return ok })
}

// changedIn tells of a path whether an installation changed the file there: it
// was written now, or the target's fact does not know it so, or knows that it
// was altered. The latter two are for a process that was killed after it had
// written. Of what came with a placeholder no hook has heard.
func changedIn(fact plan.Target, r deploy.Result) func(path string) bool {
	if fact.Spare != nil {
		fact.Files = nil
	}
	return func(path string) bool {
		i := slices.IndexFunc(r.Files, func(f plan.File) bool { return f.Path == path })
		known := func(old plan.File) bool { return old.Path == path && old.SHA256 == r.Files[i].SHA256 }
		return i >= 0 && (slices.Contains(r.Wrote, path) || slices.Contains(fact.Altered, path) || !slices.ContainsFunc(fact.Files, known))
	}
}

// hooksOf are the hooks of acmebot for those of some files that were changed.
func (w *worker) hooksOf(files []deploy.HookFile, changed func(path string) bool) []string {
	var hooks []string
	for _, file := range files {
		if kind := file.Kind(); kind != "" && changed(file.Path) {
			hooks = append(hooks, w.acmebotHook(kind+"_installed", map[string]string{"key_type": file.Algorithm(), kind + "_file": file.Path})...)
		}
	}
	return hooks
}

// filesOf are the files of a target; none where that cannot be said, as when a
// password cannot be read: installing says so.
func (w *worker) filesOf(ctx context.Context, name string) []deploy.HookFile {
	target, err := w.target(ctx, name)
	if err != nil {
		return nil
	}
	files, err := target.HookFiles()
	if err != nil {
		return nil
	}
	return files
}

// spokesman is the certificate that stands for all where something is a matter
// of the keys that they are on: the first one that has targets. Nil is none.
func (w *keyWorker) spokesman() *worker {
	i := slices.IndexFunc(w.world.Wanted.Certs, func(c plan.WantedCert) bool { return len(c.Targets) > 0 })
	if i < 0 {
		return nil
	}
	return w.member(w.world.Wanted.Certs[i])
}

// queueFiles has acmebot's hooks run for files of the keys themselves that were
// changed.
func (w *keyWorker) queueFiles(ctx context.Context, fact plan.Target, target deploy.Target, r deploy.Result) {
	described, err := target.HookFiles()
	if member := w.spokesman(); member != nil && err == nil { // else it could not have been installed
		member.queuePending(ctx, member.hooksOf(described, changedIn(fact, r)))
	}
}

// queueRolled has acmebot's hook of a rollover run for each key type that
// changed.
func (w *keyWorker) queueRolled(ctx context.Context, keyTypes []string) {
	member := w.spokesman()
	if member == nil {
		return
	}
	files, err := w.parts.keyTarget(w.want).HookFiles()
	if err != nil {
		files = nil
	}
	for _, want := range member.want.Targets {
		files = append(files, member.filesOf(ctx, want.Name)...)
	}
	var hooks []string
	for _, keyType := range keyTypes {
		fields := map[string]string{"private_key_file": "", "backup_key_file": "", "previous_key_file": ""}
		for _, file := range files {
			field := file.Kind() + "_file"
			if known, ok := fields[field]; ok && known == "" && (file.KeyType == keyType || file.KeyType == "") {
				fields[field] = file.Path
			}
		}
		fields["key_type"] = algorithm(keyType)
		hooks = append(hooks, member.acmebotHook("private_key_rollover", fields)...)
	}
	member.queuePending(ctx, hooks)
}

// algorithm is acmebot's word for a type of key.
func algorithm(keyType string) string { return deploy.HookFile{KeyType: keyType}.Algorithm() }

// companionHooks are the hooks of acmebot for files that stand beside a
// certificate's own and that were changed.
func (w *worker) companionHooks(target string, changed func(path string) bool) []string {
	cert := w.parts.cfg.Certificate(w.want.Name)
	if cert == nil {
		return nil
	}
	if target == plan.CompanionHPKP {
		return w.pinHooks(cert, changed)
	}
	var hooks []string
	for _, keyType := range w.want.KeyTypes {
		fields := map[string]string{"key_type": algorithm(keyType)}
		switch {
		case target == plan.CompanionOCSP:
			if path := w.parts.cfg.OCSPFile(cert, keys.Type(keyType)); changed(path) {
				fields["ocsp_file"] = path
				hooks = append(hooks, w.acmebotHook("ocsp_installed", fields)...)
			}
		case target == plan.CompanionSCT:
			for _, log := range cert.SCT.Logs {
				if path := w.parts.cfg.SCTFile(cert, keys.Type(keyType), log); changed(path) {
					fields["sct_file"], fields["ct_log_name"] = path, log
					hooks = append(hooks, w.acmebotHook("sct_installed", fields)...)
				}
			}
		}
	}
	return hooks
}

// pinHooks are those for the headers that pin a site to its keys.
func (w *worker) pinHooks(cert *config.Certificate, changed func(path string) bool) []string {
	header, err := w.pinHeader(cert)
	if err != nil {
		return nil // it was written, so it can be made
	}
	var hooks []string
	for _, server := range cert.HPKP.Servers() {
		if path := w.parts.cfg.HPKPFile(cert, server); changed(path) {
			hooks = append(hooks, w.acmebotHook("hpkp_header_installed", map[string]string{"server": server, "header": header, "hpkp_file": path})...)
		}
	}
	return hooks
}
