package config

import (
	"fmt"
	"strings"
)

// didYouMean is the hint that names the nearest known thing.
func didYouMean(near string) string { return fmt.Sprintf("did you mean %q?", near) }

// hintAmong is the hint for a word that is not among the allowed ones.
func hintAmong(word string, allowed []string) string {
	if near := nearest(word, allowed); near != "" {
		return didYouMean(near)
	}
	if len(allowed) == 0 {
		return "none is declared"
	}
	return "known: " + strings.Join(allowed, ", ")
}

// nearest returns the candidate that word was probably meant to be, or "".
func nearest(word string, candidates []string) string {
	word = strings.ToLower(word)
	if len(word) > 64 {
		return ""
	}
	most := max(1, len(word)/3) // slips
	best, bestDistance := "", most+1
	for _, c := range candidates {
		if d := distance(word, strings.ToLower(c), bestDistance); d < bestDistance && d < max(len(word), len(c)) {
			best, bestDistance = c, d
		}
	}
	if best != "" {
		return best
	}
	for _, c := range candidates { // "terms" for accept_terms, "listener" for listen
		if len(word) >= 4 && (strings.Contains(c, word) || len(c) >= 4 && strings.HasPrefix(word, c)) {
			return c
		}
	}
	return ""
}

// distance counts the letters to insert, remove, replace or swap with their
// neighbour to make b of a. Anything from limit on may be returned as limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return min(prev[len(b)], limit)
}
