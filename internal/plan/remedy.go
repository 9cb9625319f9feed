package plan

import (
	"maps"
	"slices"
)

// meaning is what a code says to a person. An empty severity depends on what
// is served; see gravity.
type meaning struct {
	severity Severity
	remedy   string
}

// meanings declares every code once. Nobody writes to it.
var meanings = allMeanings()

func allMeanings() map[Code]meaning {
	all := meaningsOfOrders()
	maps.Copy(all, meaningsOfFiles())
	maps.Copy(all, statementMeanings())
	maps.Copy(all, meaningsOfKeys())
	maps.Copy(all, meaningsOfGiven())
	maps.Copy(all, meaningsOfStore())
	maps.Copy(all, meaningsOfProcess())
	return all
}

// meaningsOfFiles are those of files, services and hooks.
func meaningsOfFiles() map[Code]meaning {
	return map[Code]meaning{
		CodeDisk:          {"", "Free space on the file system or make it writable for Certkeep's user. Nothing is lost; Certkeep tries again."},
		CodeDeploy:        {"", "Check that the folder exists and that Certkeep's user may write there."},
		CodeRoot:          {Warning, "Name the CA's root certificate by `root_file`, or write `root_file: false` to do without it. The files are installed without the root meanwhile; it is looked for daily, and at once by `certkeep apply NAME`."},
		CodeSecret:        {"", "Put the secret where the config says, readable for Certkeep's user and for nobody else, or correct the config."},
		CodeServiceCheck:  {"", "The service's own configuration check fails. Mend its configuration; nothing is installed for it before."},
		CodeServiceReload: {"", "The service could not be reloaded. Read its words above, mend it, or correct `services.NAME.reload`."},
		CodeRolledBack:    {"", "The service would not take the new version; what worked before was put back. It is tried again daily, and when config or version changes."},
		CodeForeignFile:   {Warning, "A file is neither what Certkeep wrote nor what was there before. It was left alone. Move it away, or take it out of the config."},
		CodeHelper:        {"", "Files are installed by `certkeep helper`, which runs as root: see that it runs and what it says (`journalctl -u certkeep-helper`), and that `helper.user` is the user Certkeep runs as."},
		CodeHook:          {Warning, "The hook failed and is run again later. Mend it; it may be run more than once for one event."},
		CodeNotify:        {Warning, "People are not told by this channel until it works. Mend what its words say, and try it: `certkeep notify test`. Nothing is lost; it is tried again."},
		CodeVerifyWrong:   {Critical, "The service presents another certificate. Check which files its configuration names, that it was reloaded, and that no other server answers at the address."},
		CodeVerifyStaple:  {Critical, "Clients refuse what the service staples, or miss what the certificate demands. Switch stapling on in its configuration, by the file that `ocsp` keeps for it, or see that it reaches the CA's responder itself; without need of it leave `must_staple` out and renew."},
		CodeVerifyUnknown: {Warning, "The service could not be asked. Check that it runs and listens there, or set `verify` for the certificate."},
		CodeRestart:       {"", "Restart or reload the services yourself, or leave out `activate: on-restart`, so that Certkeep does."},
		CodeAltered:       {Warning, "Installed files were changed or deleted; Certkeep writes them again. Find out who changes them."},
	}
}

// meaningsOfOrders are those of CAs, keys and records.
func meaningsOfOrders() map[Code]meaning {
	return map[Code]meaning{
		CodeUnexpected:     {"", "This should not happen. Run the command again with -v and report what it prints."},
		CodeNetwork:        {"", "Check that this machine reaches the CA: its name resolves, outgoing port 443 is open, a proxy is configured where one is needed. Certkeep tries again by itself."},
		CodeCAError:        {"", "The CA has trouble. Certkeep tries again by itself; list a second issuer to be independent of this one."},
		CodeCAGarbage:      {"", "What answered does not speak ACME (RFC 8555). Check the issuer's directory URL, and for a proxy or portal in between."},
		CodeCAChain:        {"", "The CA gave a certificate that does not fit what was asked. Nothing was installed. Report it to the CA."},
		CodeRateLimited:    {"", "The CA's limit is used up. Certkeep waits as long as the CA asks; do not delete state to try sooner."},
		CodeLimit:          {"", "What the CA allows is spent, and it is not asked before there is room. List a second issuer, put more names into fewer certificates, or ask the CA for more and write that down under `issuers.NAME.limits`."},
		CodeAside:          {Warning, "Mend how the name is proven: its address, port or DNS. It is tried again daily, at once by `certkeep apply NAME`, and comes back into the certificate by itself. Take it out of the config where it is gone for good."},
		CodeRejected:       {"", "The CA refuses the request. Read its words above, and correct the names or the profile."},
		CodeChallenge:      {"", "The CA could not see the answer to its challenge. Check that the name resolves to this machine, that the port is open from the Internet, and that no redirect or other server answers in its place."},
		CodeNoChallenge:    {"", "No challenge that the CA offers is configured for the name. Add a matching rule to `challenges`; a wildcard needs dns-01."},
		CodePortForbidden:  {"", "Ports below 1024 need root, CAP_NET_BIND_SERVICE, or a socket passed in by the service manager. A webroot or dns-01 needs none."},
		CodePortTaken:      {"", "Another process holds the port. Use its webroot (`http-01: {webroot: DIR}`), or stop it, or give Certkeep another address under `listen`."},
		CodeWebroot:        {"", "Create the webroot folder and let Certkeep's user write there, or correct the path."},
		CodeAuthHook:       {"", "The program of `manual` failed. Read its words above; run it by hand with the variables CERTBOT_DOMAIN and CERTBOT_VALIDATION, and mend it."},
		CodeDNSUpdate:      {"", "Check the DNS server's address, the TSIG key, and that the key may change the zone: TXT records for dns-01, TLSA records for `tlsa`."},
		CodeDNSPropagation: {"", "Not every authoritative server shows the record. Check notifies and transfers to the secondaries."},
		CodeDNSLookup:      {"", "The zone's name servers are asked which TLSA records they show. Check that the zone exists, that its servers answer this machine, and `resolver` and `propagation.servers` of the entry in `dns`. What is served stays as it is meanwhile."},
		CodeTLSANone:       {Warning, "Choose a `usage` that fits: dane-ee and pkix-ee always do, dane-ta and pkix-ta where the chain holds its authority. Nothing is published meanwhile."},
		CodeLeftBehind:     {Warning, "An answer to a challenge could not be taken away. It does no harm at first. Mend what keeps Certkeep from it; it tries again daily, and `certkeep apply NAME` at once."},
		CodeCAA:            {"", "A CAA record forbids this CA. Add the CA's domain to the zone's CAA records (RFC 8659)."},
		CodeTerms:          {"", "Read the CA's terms of service and agree: `accept_terms: true` in the config, or run the command on a terminal."},
		CodeEAB:            {"", "The CA wants an external account. Get a key id and an HMAC key from it, and set `issuers.NAME.eab`."},
		CodeAccount:        {"", "The CA refuses the account. `certkeep account reset` registers a new one."},
		CodeContact:        {Warning, "Orders do not wait for it. Correct `email` in the config where the CA does not take it; else Certkeep tries again by itself, and `certkeep account update ISSUER` at once."},
		CodeAccountLost:    {Warning, "The CA did not know the account any more. A new one was registered; the old one is archived. CAA records with accounturi have to be changed."},
		CodeProfile:        {"", "Choose a profile that the CA offers, or none."},
		CodeOrderInvalid:   {"", "The CA ended the order. Read its words above. Certkeep opens a new one."},
		CodeClock:          {Critical, "Set the clock of this machine (run an NTP client). Nothing is ordered until it is right."},
		CodeGuard:          {"", "Something makes the same certificate due again and again. Look at `certkeep history NAME`; `certkeep renew NAME` issues all the same."},
		CodeMisfit:         {Warning, "The CA chose differently from what was asked. The certificate is used. Adapt the config, or ask the CA."},
		CodeDamaged:        {"", "The record cannot be used. Restore it from a backup, or begin afresh: `certkeep forget NAME` for a certificate, `certkeep account reset ISSUER` for an account. Installed files stay."},
		CodeKeyLost:        {"", "A stored key or certificate cannot be read; a new one is issued. Check the disk."},
		CodeCSR:            {"", "Make a signing request (PKCS#10, PEM) whose key and names fit the config, and check the path."},
		CodeExpiring:       {"", "Look at the other problems of this certificate; mend their cause soon."},
		CodeExpired:        {Critical, "Look at the other problems of this certificate; mend their cause now."},
		CodeMissing:        {Critical, "Look at the other problems of this certificate. `certkeep apply NAME`, with its name, tries at once."},
		CodeDue:            {"", "`certkeep renew NAME` renews it. With `mode: auto` Certkeep does so by itself."},
		CodeOverlap:        {Warning, "Two certificates name the same host. Take it out of one of them unless that is meant."},
		CodeNoStaging:      {"", "Set `issuers.NAME.staging` to the CA's test directory, or leave out --dry-run."},
		CodeHeld:           {Warning, "`certkeep restore NAME --release` ends the hold."},
	}
}

// meaningsOfKeys are those of codes that speak of keys, of who may do what, and of
// revocation.
func meaningsOfKeys() map[Code]meaning {
	return map[Code]meaning{
		CodeKeysDamaged: {"", "The record of the keys could not be used. It is put aside, and the keys that the certificates use are taken over; a next key that was published already has to be published anew."},
		CodeKeyMissing:  {"", "Put the key there (PEM, PKCS#8), writable for nobody else, or let Certkeep make it: `provided: false`."},
		CodeKeyAge:      {Warning, "`certkeep rollover NAME` changes the key; `auto_rollover` does it without being asked."},
		CodeRollover:    {Warning, "Mend what keeps the certificates it waits for from being issued. Until then nothing changes; `certkeep rollover NAME --cancel` gives it up."},
		CodeNewer:       {"", "A later version of Certkeep wrote the record; it is left alone. Run that version again."},
		CodeNotProven:   {"", "This node answers no challenges (`solve: false`). Another one has to keep the names proven at the same account: list them there under `authorizations`, or in a certificate. CAs reuse that for ever shorter times; a CNAME of _acme-challenge to a zone that this node may write needs no other node."},
		CodeMayNotIssue: {"", "This node orders nothing (`issue: false`) and waits for what others order. Look at those, or set `issue: true` here."},
		CodeRevoking:    {Warning, "It is revoked once its replacement is in place: mend what keeps that from happening, or `certkeep revoke NAME --now`."},
		CodeBanned:      {Critical, "A certificate on a new key takes its place at once. Where the key is your own, make another one, and a signing request with it."},
		CodeWithdrawn:   {Warning, "The next run brings another one: `certkeep apply NAME`. Take it out of the config where it is wanted no more."},
		CodeRevoked:     {Critical, "The certificate is replaced at once. Find out why it was revoked."},
	}
}

// Severity is the code's own severity, or "" where it depends on what is
// served.
func (c Code) Severity() Severity { return meanings[c].severity }

// Remedy says what a person can do about it. A code of another version of
// Certkeep, read from a record, is as good as unexpected.
func (c Code) Remedy() string {
	if m, ok := meanings[c]; ok {
		return m.remedy
	}
	return meanings[CodeUnexpected].remedy
}

// Codes lists every code that is declared.
func Codes() []Code {
	var all []Code
	for c := range meanings {
		all = append(all, c)
	}
	slices.Sort(all)
	return all
}
