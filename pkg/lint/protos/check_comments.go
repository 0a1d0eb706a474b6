package protos

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/bufbuild/protocompile/ast"
)

var commentRules = [...]string{
	message: "COMMENT_MESSAGE", field: "COMMENT_FIELD", enum: "COMMENT_ENUM", enumValue: "COMMENT_ENUM_VALUE",
	oneof: "COMMENT_ONEOF", service: "COMMENT_SERVICE", method: "COMMENT_RPC",
}

func (k *checker) checkComment(f *file, e element) {
	text, what := f.text(e.node), nameRules[e.kind].what
	switch {
	case text == "":
		k.add(f.finding(commentRules[e.kind], e.name, fmt.Sprintf("%s %q has no comment", what, e.name.Val), "say above it what it is for"))
	case !isDetailed(text, e.name.Val):
		k.add(f.finding("COMMENT_DETAILED", e.name, fmt.Sprintf("the comment of %s %q says no more than its name: %q", what, e.name.Val, text),
			"say what it means, its unit, its limits or its default"))
	}
	if n, ok := e.node.(*ast.FieldNode); ok && isSecret(n) && !saysProtection(text) {
		k.add(f.finding("FIELD_SECRET_COMMENT", e.name, fmt.Sprintf("field %q carries a secret, and its comment does not say how it is protected", e.name.Val),
			"say so (encrypted, hashed, over TLS only, never logged), or set [debug_redact = true]"))
	}
}

// saysProtection reports whether a comment has a word that says how a secret is kept.
func saysProtection(text string) bool {
	text = strings.ToLower(text)
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r < 'a' || r > 'z' }) {
		switch word {
		case "tls", "mtls", "https", "log", "logs", "logged", "logging", "signed", "signature":
			return true
		}
		for _, stem := range [...]string{"encrypt", "cipher", "hash", "argon", "bcrypt", "scrypt", "mask", "redact"} {
			if strings.HasPrefix(word, stem) {
				return true
			}
		}
	}
	for _, word := range [...]string{"加密", "密文", "哈希", "散列", "脱敏", "掩码", "签名", "日志", "不记录"} {
		if strings.Contains(text, word) { // these scripts write no spaces
			return true
		}
	}
	return false
}

// isSecret tells by its name and type whether a field carries a secret.
func isSecret(n *ast.FieldNode) bool {
	if t := string(n.FldType.AsIdentifier()); t != "string" && t != "bytes" {
		return false
	}
	for o := range options(n) {
		if v, ok := o.Val.Value().(ast.Identifier); ok && v == "true" && optionName(o) == "debug_redact" {
			return false
		}
	}
	words := strings.Split(toLowerSnake(n.Name.Val), "_")
	last := words[len(words)-1]
	if slices.Contains(words, "page") || slices.Contains([]string{"id", "type", "name", "count", "hint", "policy"}, last) {
		return false
	}
	name := strings.Join(words, "_")
	return slices.ContainsFunc(words, func(w string) bool {
		return slices.Contains([]string{"password", "passwd", "passphrase", "secret", "token", "credential", "credentials", "otp", "pin"}, w)
	}) || strings.Contains(name, "api_key") || strings.Contains(name, "private_key")
}

func options(n *ast.FieldNode) func(func(*ast.OptionNode) bool) {
	return func(yield func(*ast.OptionNode) bool) {
		if n.Options == nil {
			return
		}
		for _, o := range n.Options.Options {
			if !yield(o) {
				return
			}
		}
	}
}

// idle words add nothing to a name.
var idle = map[string]bool{
	"the": true, "a": true, "an": true, "of": true, "for": true, "is": true, "this": true, "its": true, "to": true,
	"message": true, "field": true, "enum": true, "value": true, "service": true, "rpc": true, "method": true,
	"todo": true, "fixme": true, "tbd": true,
}

// isDetailed reports whether a comment says more than the name it is about: at
// least two words, one of which is neither of the name nor idle, or two
// characters of a script that writes no spaces.
func isDetailed(text, name string) bool {
	named := map[string]bool{}
	for word := range strings.SplitSeq(toLowerSnake(name), "_") {
		named[word] = true
	}
	words, fresh, ideographs := 0, 0, 0
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		words++
		for _, r := range word {
			if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai) {
				ideographs++
			}
		}
		isFresh := false
		for part := range strings.SplitSeq(toLowerSnake(word), "_") {
			isFresh = isFresh || !named[part] && !named[strings.TrimSuffix(part, "s")] && !idle[part]
		}
		if isFresh {
			fresh++
		}
	}
	return ideographs >= 2 || words >= 2 && fresh >= 1
}
