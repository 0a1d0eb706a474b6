package spec

import (
	"strings"
	"unicode"
)

// suggest returns the valid name which was probably meant, or "".
func (c Conventions) suggest(name string) string {
	wants := strings.Split(c.Topic.Format, ".")
	gots := c.arrange(wants, name)
	if gots == nil {
		return ""
	}
	for i, want := range wants {
		part, isPlaceholder := placeholder(want)
		switch {
		case !isPlaceholder:
			gots[i] = want
		case part == PartEnv:
			gots[i] = c.nearestEnv(gots[i])
		case part == PartVersion:
			gots[i] = repairVersion(gots[i])
		default:
			gots[i] = Kebab(gots[i])
		}
	}
	fixed := strings.Join(gots, ".")
	if _, ok := c.parse(fixed); !ok || fixed == name {
		return ""
	}
	return fixed
}

// arrange splits a name into as many parts as the format has, also when it
// uses another separator, lacks the version, or writes it as v1.0.
func (c Conventions) arrange(wants []string, name string) []string {
	for _, sep := range []string{".", "/", ":", "_"} {
		gots := strings.Split(name, sep)
		last := len(wants) - 1
		switch {
		case len(gots) == len(wants):
			return gots
		case sep == "." && len(gots) == len(wants)+1 && wants[last] == "{version}" && isDigits(gots[last+1]) && looksLikeVersion(gots[last]):
			return gots[:last+1]
		case sep == "." && len(gots)+1 == len(wants) && wants[last] == "{version}" && !looksLikeVersion(gots[last-1]) && c.looksLikeEnv(gots[0]):
			return append(gots, "v1")
		}
	}
	return nil
}

// envAliases are other words for the specification's environments.
var envAliases = map[string]string{
	"development": "dev", "develop": "dev", "local": "dev",
	"testing": "test", "qa": "test", "tst": "test",
	"stage": "staging", "stg": "staging", "uat": "staging", "preprod": "staging",
	"production": "prod", "prd": "prod", "live": "prod",
}

// nearestEnv returns the environment that was probably meant, or "".
func (c Conventions) nearestEnv(got string) string {
	got = strings.ToLower(got)
	if alias, ok := envAliases[got]; ok {
		for _, env := range c.Topic.Environments {
			if env == alias {
				return env
			}
		}
	}
	return Nearest(got, c.Topic.Environments)
}

func (c Conventions) looksLikeEnv(s string) bool { return c.nearestEnv(s) != "" }

func looksLikeVersion(s string) bool { return repairVersion(s) != "" }

func repairVersion(s string) string {
	digits := strings.TrimLeft(strings.TrimLeft(strings.TrimPrefix(strings.ToLower(s), "version"), "v-_"), "0")
	if !isDigits(digits) {
		return ""
	}
	return "v" + digits
}

// Kebab rewrites an identifier such as UserRegistered, user_registered or
// "user registered" as user-registered. What cannot stand in a topic name is left out.
func Kebab(s string) string {
	var b strings.Builder
	var last rune
	runes := []rune(s)
	for i, r := range runes {
		startsWord := unicode.IsUpper(r) && i > 0 &&
			(!unicode.IsUpper(last) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if (startsWord || !isWordRune(r)) && b.Len() > 0 && !strings.HasSuffix(b.String(), "-") {
			b.WriteByte('-')
		}
		if isWordRune(r) {
			b.WriteRune(unicode.ToLower(r))
		}
		last = r
	}
	return strings.Trim(b.String(), "-")
}

func isWordRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// Nearest returns the candidate which got was probably meant to be: the one
// with the fewest edits between them, at most a third of its length. It returns
// "" when none is near.
func Nearest(got string, candidates []string) string {
	best, bestDistance := "", 1<<30
	for _, candidate := range candidates {
		limit := (max(len(got), len(candidate)) + 2) / 3
		if d := EditDistance(got, candidate); d <= limit && d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// EditDistance is the number of insertions, deletions and substitutions of
// bytes, and swaps of neighbours, between two texts (optimal string alignment).
func EditDistance(a, b string) int {
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
