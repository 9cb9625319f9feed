package deploy

import "slices"

// The kinds of file in an archive by keys, in acmebot's words.
const (
	kindKey      = "private_key"
	kindNext     = "backup_key"
	kindPrevious = "previous_key"
	kindFullKey  = "full_key" // with its certificate
	kindLeaf     = "certificate"
	kindFull     = "full_certificate" // up to the root
	kindChain    = "chain"
	kindParams   = "param"
	kindOther    = "file" // of another making
)

func archiveKinds() []string {
	return []string{kindKey, kindNext, kindPrevious, kindFullKey, kindLeaf, kindFull, kindChain, kindParams, kindOther}
}

// kindOf is the kind of an image's file.
func (i Image) kindOf(path string) string {
	n := slices.IndexFunc(i.Files, func(w Want) bool { return w.name == path })
	if n < 0 {
		return kindOther
	}
	return i.Files[n].kind()
}

func (s slot) kind() string {
	holds := func(parts ...Part) bool {
		return slices.ContainsFunc(s.parts, func(p Part) bool { return slices.Contains(parts, p) })
	}
	leaf := holds(PartCertificate, PartFullchain, PartDERCertificate)
	switch {
	case holds(PartPKCS12, PartPKCS12Legacy, PartJKS), holds(PartKey, PartDERKey) && leaf:
		return kindFullKey
	case holds(PartKey, PartDERKey):
		return kindKey
	case holds(PartBackupKey):
		return kindNext
	case holds(PartPreviousKey):
		return kindPrevious
	case leaf && holds(PartRoot):
		return kindFull
	case leaf:
		return kindLeaf
	case holds(PartChain):
		return kindChain
	case holds(PartDHParams, PartECParams):
		return kindParams
	}
	return kindOther
}
