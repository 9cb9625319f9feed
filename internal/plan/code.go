package plan

// Code names a kind of problem. Codes are part of the contract: they stand in
// JSON, on the page and in metrics, and never change their meaning.
type Code string

// The codes, with the remedy that a person is told. A code is declared here
// once; status, log and page take severity and remedy from this table.
const (
	CodeUnexpected     Code = "unexpected"
	CodeNetwork        Code = "ca-unreachable"
	CodeCAError        Code = "ca-error"
	CodeCAGarbage      Code = "ca-garbage"
	CodeCAChain        Code = "ca-wrong-certificate"
	CodeRateLimited    Code = "rate-limited"
	CodeRejected       Code = "rejected"
	CodeChallenge      Code = "challenge-failed"
	CodeNoChallenge    Code = "no-challenge"
	CodePortTaken      Code = "port-taken"
	CodeWebroot        Code = "webroot-unusable"
	CodeDNSUpdate      Code = "dns-update-failed"
	CodeDNSPropagation Code = "dns-not-propagated"
	CodeCAA            Code = "caa-forbids"
	CodeTerms          Code = "terms-not-agreed"
	CodeEAB            Code = "external-account-required"
	CodeAccount        Code = "account-refused"
	CodeAccountLost    Code = "account-lost"
	CodeProfile        Code = "profile-not-offered"
	CodeOrderInvalid   Code = "order-invalid"
	CodeClock          Code = "clock-wrong"
	CodeGuard          Code = "too-many-issues"
	CodeMisfit         Code = "differs-from-request"
	CodeDamaged        Code = "record-damaged"
	CodeKeyLost        Code = "key-lost"
	CodeCSR            Code = "csr-unusable"
	CodeDisk           Code = "disk-write-failed"
	CodeDeploy         Code = "install-failed"
	CodeServiceCheck   Code = "service-check-failed"
	CodeServiceReload  Code = "service-reload-failed"
	CodeRolledBack     Code = "rolled-back"
	CodeForeignFile    Code = "foreign-file"
	CodeHook           Code = "hook-failed"
	CodeVerifyWrong    Code = "wrong-certificate-served"
	CodeVerifyUnknown  Code = "service-not-reachable"
	CodeExpiring       Code = "expiring"
	CodeExpired        Code = "expired"
	CodeMissing        Code = "missing"
	CodeOverlap        Code = "names-overlap"
	CodeNoStaging      Code = "no-staging"
	CodeAltered        Code = "files-altered"
	CodeHeld           Code = "held"
	CodeRevoked        Code = "revoked"
	CodeNewer          Code = "record-newer"
)
