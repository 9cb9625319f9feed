package main

import (
	"cmp"
	"slices"
	"strings"
)

// shownNearest is how many names a suggestion lists.
const shownNearest = 3

// nearest returns the names that a mistyped one was probably meant to be, the
// likeliest first: those a few letters away, and those that contain it.
func nearest(word string, names []string) []string {
	type scored struct {
		name     string
		distance int
	}
	word = strings.ToLower(word)
	most := 1 + len(word)/4
	var found []scored
	for _, name := range names {
		lower := strings.ToLower(name)
		d := distance(word, lower)
		switch {
		case d <= most && d < max(len(word), len(lower)):
		case len(word) >= 3 && strings.Contains(lower, word):
			d = most + 1
		default:
			continue
		}
		found = append(found, scored{name, d})
	}
	slices.SortStableFunc(found, func(a, b scored) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.name, b.name))
	})
	var near []string
	for _, f := range found[:min(len(found), shownNearest)] {
		near = append(near, f.name)
	}
	return near
}

// distance counts the letters to insert, remove or replace to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
