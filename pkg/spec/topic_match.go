package spec

import "strings"

// MatchTopic reports whether a topic name matches a pattern, of which each
// dotted part is matched on its own: * stands for any text within a part, ? for
// one character, and a part that is ** for any number of parts, none included.
// "prod.*.user-*.v1" and "prod.auth-service.**" are patterns. Time is at most
// the product of the lengths.
func MatchTopic(pattern, name string) bool {
	return matchStar(strings.Split(pattern, "."), strings.Split(name, "."),
		func(p string) bool { return p == "**" },
		func(p, n string) bool {
			return matchStar([]byte(p), []byte(n),
				func(b byte) bool { return b == '*' },
				func(b, c byte) bool { return b == '?' || b == c })
		})
}

// MatchTopic is [MatchTopic]; it is here so that one value answers all questions about topics.
func (c Conventions) MatchTopic(pattern, name string) bool { return MatchTopic(pattern, name) }

// matchStar is glob matching over any symbols. Only the last star is ever
// taken back, which is enough since an earlier one would gain nothing.
func matchStar[S any](pattern, name []S, isStar func(S) bool, equal func(p, n S) bool) bool {
	p, n, star, resume := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && isStar(pattern[p]):
			star, resume = p, n
			p++
		case p < len(pattern) && equal(pattern[p], name[n]):
			p++
			n++
		case star >= 0:
			resume++
			p, n = star+1, resume
		default:
			return false
		}
	}
	for p < len(pattern) && isStar(pattern[p]) {
		p++
	}
	return p == len(pattern)
}
