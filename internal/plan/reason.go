package plan

// Reason says why a step is to be done: a code for programs, words for people.
type Reason struct {
	Code  ReasonCode `json:"code"`
	Words string     `json:"words"`
}

// ReasonCode names a reason. Like problem codes they never change meaning.
type ReasonCode string

// The reasons.
const (
	ReasonMissing    ReasonCode = "none-exists"
	ReasonDamaged    ReasonCode = "record-damaged"
	ReasonUnreadable ReasonCode = "unreadable"
	ReasonNames      ReasonCode = "names-changed"
	ReasonCommonName ReasonCode = "common-name-changed"
	ReasonProfile    ReasonCode = "profile-changed"
	ReasonMustStaple ReasonCode = "must-staple-changed"
	ReasonCSR        ReasonCode = "csr-changed"
	ReasonKeyType    ReasonCode = "key-type-changed"
	ReasonIssuer     ReasonCode = "issuer-not-listed"
	ReasonRevoked    ReasonCode = "revoked"
	ReasonRevoke     ReasonCode = "to-be-revoked"
	ReasonBanned     ReasonCode = "key-banned"
	ReasonExpired    ReasonCode = "expired"
	ReasonWindow     ReasonCode = "renewal-window"
	ReasonAdvice     ReasonCode = "ca-advice"
	ReasonAsked      ReasonCode = "asked"
	ReasonOrder      ReasonCode = "order-open"
	ReasonFits       ReasonCode = "held-version-fits"
	ReasonBehind     ReasonCode = "target-behind"
	ReasonConfig     ReasonCode = "target-changed"
	ReasonAltered    ReasonCode = "files-altered"
	ReasonUntold     ReasonCode = "services-not-told"
	ReasonNoFile     ReasonCode = "service-needs-files"
	ReasonUnverified ReasonCode = "not-verified"
	ReasonRoutine    ReasonCode = "routine"
	ReasonHook       ReasonCode = "hook-pending"
	ReasonNotAsked   ReasonCode = "not-asked-yet"
	ReasonLeft       ReasonCode = "left-behind"
	ReasonParams     ReasonCode = "own-parameters"
	ReasonTooMany    ReasonCode = "kept-enough"
	ReasonAnswered   ReasonCode = "answered"
	ReasonKey        ReasonCode = "key-changed"
	ReasonKeyReady   ReasonCode = "key-kept-ready"
	ReasonKeyAge     ReasonCode = "key-age"
	ReasonKeyLost    ReasonCode = "key-lost"
	ReasonRolled     ReasonCode = "rollover"
	ReasonCancelled  ReasonCode = "cancelled"
	ReasonFailing    ReasonCode = "keeps-failing"
	ReasonTLSA       ReasonCode = "records-differ"
	ReasonContact    ReasonCode = "contact-changed"
	ReasonGiven      ReasonCode = "given"
)
