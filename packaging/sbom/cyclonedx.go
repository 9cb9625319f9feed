package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"fmt"
	"strings"
	"time"
)

// The types below are those of CycloneDX 1.6 that we have something to say
// for: https://cyclonedx.org/docs/1.6/json/
type bill struct {
	Format       string       `json:"bomFormat"`
	Spec         string       `json:"specVersion"`
	Serial       string       `json:"serialNumber"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	Hashes     []hash     `json:"hashes,omitempty"`
	Licenses   []licence  `json:"licenses"`
	PURL       string     `json:"purl"`
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type licence struct {
	License struct {
		ID string `json:"id"`
	} `json:"license"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

// billOf is the bill of materials of a program with that digest.
func billOf(info *buildinfo.BuildInfo, version, digest string, parts []part, at time.Time) bill {
	program := componentOf("application", part{path: info.Main.Path, version: "v" + strings.TrimPrefix(version, "v"), licence: "Apache-2.0"})
	program.Hashes = []hash{{"SHA-256", digest}}
	for _, s := range info.Settings {
		program.Properties = append(program.Properties, property{"go:build:" + s.Key, s.Value})
	}
	b := bill{
		Format: "CycloneDX", Spec: "1.6", Version: 1, Serial: serial(digest),
		Metadata: metadata{Timestamp: at.Format(time.RFC3339), Component: program},
	}
	all := dependency{Ref: program.Ref}
	for _, p := range parts {
		c := componentOf("library", p)
		b.Components = append(b.Components, c)
		all.DependsOn = append(all.DependsOn, c.Ref)
	}
	b.Dependencies = []dependency{all}
	return b
}

func componentOf(kind string, p part) component {
	purl := "pkg:golang/" + p.path + "@" + strings.ReplaceAll(p.version, "+", "%2B")
	c := component{Type: kind, Ref: purl, Name: p.path, Version: p.version, PURL: purl, Licenses: make([]licence, 1)}
	c.Licenses[0].License.ID = p.licence
	if p.sum != "" {
		c.Properties = []property{{"go:sum", p.sum}}
	}
	return c
}

// serial is a UUID (RFC 9562, version 8) that belongs to the program's bytes.
func serial(digest string) string {
	sum := sha256.Sum256([]byte("certkeep sbom " + digest))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
