package secure_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/secure"
)

// rsaKey makes one key for all tests: they take long to make.
var rsaKey = sync.OnceValue(func() secure.Key {
	k, err := secure.GenerateKey(secure.RS256, secure.MinRSABits)
	if err != nil {
		panic(err)
	}
	return k
})

func TestFieldsSurvive(t *testing.T) {
	k := rsaKey()
	keys := secure.KeySet{generate(t, secure.ES256), generate(t, secure.RS256), k}
	rapid.Check(t, func(t *rapid.T) {
		plaintext := rapid.SliceOfN(rapid.Byte(), 0, 190).Draw(t, "plaintext")
		text, err := k.Public().Encrypt(plaintext)
		if err != nil {
			t.Fatal(err)
		}
		if raw, err := base64.StdEncoding.DecodeString(text); err != nil || len(raw) != 256 {
			t.Fatalf("%d bytes, %v", len(raw), err)
		}
		got, err := keys.Decrypt(text+"\n", nil)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("decrypted to %q, %v", got, err)
		}
	})
}

func TestHybridFieldsSurvive(t *testing.T) {
	k := rsaKey()
	rapid.Check(t, func(t *rapid.T) {
		plaintext := rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "plaintext")
		context := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "context")
		text, err := k.Public().EncryptHybrid(plaintext, context)
		if err != nil {
			t.Fatal(err)
		}
		got, err := secure.KeySet{k}.Decrypt(text, context)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("decrypted to %q, %v", got, err)
		}
		if _, err := (secure.KeySet{k}).Decrypt(text, append(context, 'x')); !errors.Is(err, secure.ErrDecrypt) {
			t.Fatalf("with another context: %v", err)
		}
	})
}

func TestTooLongIsSaid(t *testing.T) {
	_, err := rsaKey().Encrypt(make([]byte, 64<<10))
	var long *secure.TooLongError
	if !errors.As(err, &long) || long.Limit != 190 || long.Length != 64<<10 || !strings.Contains(err.Error(), "hybrid") {
		t.Errorf("err = %v", err)
	}
	text, err := rsaKey().EncryptHybrid(make([]byte, 64<<10), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := (secure.KeySet{rsaKey()}).Decrypt(text, nil); err != nil || len(got) != 64<<10 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestDecryptTellsNothing(t *testing.T) {
	k := rsaKey()
	field, err := k.Encrypt([]byte("+86 138 0000 0000"))
	if err != nil {
		t.Fatal(err)
	}
	hybrid, err := k.EncryptHybrid([]byte("a longer text"), []byte("user 1"))
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(hybrid, ".")
	replace := func(i int, text string) string {
		changed := append([]string{}, parts...)
		changed[i] = text
		return strings.Join(changed, ".")
	}
	header := func(text string) string { return replace(0, base64.RawURLEncoding.EncodeToString([]byte(text))) }
	tampered := []byte(field)
	tampered[10] ^= 1
	for name, c := range map[string]struct {
		text    string
		keys    secure.KeySet
		context string
	}{
		"empty":                  {text: ""},
		"not base64":             {text: "%%%"},
		"cut off":                {text: field[:100]},
		"tampered":               {text: string(tampered)},
		"another key":            {text: field, keys: secure.KeySet{generate(t, secure.RS256)}},
		"a context it has not":   {text: field, context: "user 1"},
		"hybrid, no context":     {text: hybrid},
		"hybrid, other context":  {text: hybrid, context: "user 2"},
		"hybrid, another key":    {text: hybrid, context: "user 1", keys: secure.KeySet{generate(t, secure.RS256)}},
		"hybrid, four parts":     {text: strings.Join(parts[:4], "."), context: "user 1"},
		"hybrid, six parts":      {text: hybrid + ".x", context: "user 1"},
		"hybrid, header changed": {text: header(`{"alg":"RSA-OAEP-256","enc":"A256GCM"}`)},
		"hybrid, another alg":    {text: header(`{"alg":"dir","enc":"A256GCM"}`)},
		"hybrid, later version":  {text: header(`{"alg":"RSA-OAEP-256","enc":"A256GCM","typ":"field+v2"}`)},
		"hybrid, compressed":     {text: header(`{"alg":"RSA-OAEP-256","enc":"A256GCM","zip":"DEF"}`)},
		"hybrid, critical":       {text: header(`{"alg":"RSA-OAEP-256","enc":"A256GCM","crit":["exp"]}`)},
		"hybrid, no JSON":        {text: header(`x`)},
		"hybrid, key changed":    {text: replace(1, parts[2]), context: "user 1"},
		"hybrid, nonce cut":      {text: replace(2, ""), context: "user 1"},
		"hybrid, body changed":   {text: replace(3, parts[2]), context: "user 1"},
		"hybrid, tag cut":        {text: replace(4, parts[4][:8]), context: "user 1"},
		"only dots":              {text: "...."},
	} {
		keys := c.keys
		if keys == nil {
			keys = secure.KeySet{k}
		}
		got, err := keys.Decrypt(c.text, []byte(c.context))
		if err != secure.ErrDecrypt || got != nil { //nolint:errorlint // the very same, whatever is wrong
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestWrongKindOfKey(t *testing.T) {
	if _, err := generate(t, secure.EdDSA).Encrypt(nil); !errors.Is(err, secure.ErrKeyKind) {
		t.Errorf("Ed25519 encrypts: %v", err)
	}
	if _, err := (secure.Key{}).EncryptHybrid(nil, nil); !errors.Is(err, secure.ErrKeyKind) {
		t.Errorf("no key encrypts: %v", err)
	}
	if _, err := (secure.KeySet{rsaKey().Public()}).Decrypt("x", nil); !errors.Is(err, secure.ErrKeyKind) {
		t.Errorf("a public key decrypts: %v", err)
	}
}

func upper(s string) (string, error) { return strings.ToUpper(s), nil }

func TestMapFields(t *testing.T) {
	for _, c := range []struct{ path, text, want, wrong string }{
		{"user.phone", ` {"user" : {"id":1.50, "phone":"abc" ,"x":[ ]}}` + "\n", ` {"user" : {"id":1.50, "phone":"ABC" ,"x":[ ]}}` + "\n", ""},
		{"items[*].ssn", `{"items":[{"ssn":"a"},{"x":{"ssn":"b"},"ssn":"c"}]}`, `{"items":[{"ssn":"A"},{"x":{"ssn":"b"},"ssn":"C"}]}`, ""},
		{"items[1]", `{"items":["a","b","c"]}`, `{"items":["a","B","c"]}`, ""},
		{"[*][0]", `[["a","b"],["c"]]`, `[["A","b"],["C"]]`, ""},
		{"items[*]", `{"items":[]}`, `{"items":[]}`, ""},
		{`"a.b"."c[0]"`, `{"a.b":{"c[0]":"x"}}`, `{"a.b":{"c[0]":"X"}}`, ""},
		{"a", `{"a":"x","b":"<&>\u00e9","a":"y"}`, `{"a":"X","b":"<&>\u00e9","a":"Y"}`, ""},
		{"a", `{"a":"\"<é\u0001"}`, `{"a":"\"<É\u0001"}`, ""},
		{"\"\u7d22\"", `{"索":"x"}`, `{"索":"X"}`, ""},
		{"a", `{"b":"x"}`, "", "the field a: it is missing"},
		{"a.b", `{"a":{}}`, "", "the field a.b: it is missing"},
		{"a.b", `{"a":"x"}`, "", "the field a.b: it is missing"},
		{"items[*].ssn", `{"items":[{"ssn":"a"},{}]}`, "", "the field items[1].ssn: it is missing"},
		{"items[3]", `{"items":["a"]}`, "", "the field items[3]: it is missing: the array has 1 elements"},
		{"items[0]", `{"items":{"0":"a"}}`, "", "the field items: it is no array"},
		{"a", `{"a":12}`, "", "the field a: it is no string"},
		{"a", `{"a":null}`, "", "the field a: it is no string"},
		{"a", `{"a":{"b":"c"}}`, "", "the field a: it is no string"},
		{"a", `{"a":"\ud800"}`, "", "no Unicode text"},
		{"a", `{"a":"\ufffd"}`, "{\"a\":\"\ufffd\"}", ""},
		{"a", `{"a":"x"`, "", "not JSON"},
		{"a", `{"a":"x"} {}`, "", "not JSON"},
		{"", `{"a":"x"}`, "", "no path"},
		{".a", `{"a":"x"}`, "", "no path"},
		{"a.", `{"a":"x"}`, "", "no path"},
		{"a..b", `{"a":"x"}`, "", "no path"},
		{"a[", `{"a":"x"}`, "", "no path"},
		{"a[x]", `{"a":"x"}`, "", "no path"},
		{"a[-1]", `{"a":"x"}`, "", "no path"},
		{"a[0]b", `{"a":"x"}`, "", "no path"},
		{"a]", `{"a":"x"}`, "", "no path"},
		{`"a`, `{"a":"x"}`, "", "no path"},
	} {
		got, err := secure.MapFields([]byte(c.text), c.path, upper)
		if c.wrong == "" {
			if err != nil || string(got) != c.want {
				t.Errorf("%s in %s gave %s, %v", c.path, c.text, got, err)
			}
			continue
		}
		var wrong *secure.FieldError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), c.wrong) || got != nil {
			t.Errorf("%s in %s gave %s, %v, want %q", c.path, c.text, got, err, c.wrong)
		}
	}
}

func TestMapFieldsHandsErrorsOn(t *testing.T) {
	broken := errors.New("broken")
	_, err := secure.MapFields([]byte(`{"a":["x"]}`), "a[*]", func(string) (string, error) { return "", broken })
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "a[0]") {
		t.Errorf("err = %v", err)
	}
	if _, err := secure.MapFields([]byte(`{"a":"x"}`), "a", func(string) (string, error) { return "\xff", nil }); err == nil {
		t.Error("bytes that are no text went into JSON")
	}
}

// Encrypting fields and decrypting them again gives the very same text.
func TestFieldsOfJSONSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type item struct {
			Phone string `json:"phone"`
			Other any    `json:"other"`
		}
		items := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) item {
			return item{rapid.String().Draw(t, "phone"), rapid.SampledFrom([]any{nil, 1.5, "x", []any{"phone"}, map[string]any{"phone": "p"}}).Draw(t, "other")}
		}), 0, 5).Draw(t, "items")
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", rapid.SampledFrom([]string{"", "  ", "\t"}).Draw(t, "indent"))
		if err := encoder.Encode(map[string]any{"items": items}); err != nil {
			t.Fatal(err)
		}
		key := byte(rapid.IntRange(1, 31).Draw(t, "key"))
		hide := func(s string) (string, error) {
			return base64.StdEncoding.EncodeToString(append([]byte{key}, s...)), nil
		}
		hidden, err := secure.MapFields(text.Bytes(), "items[*].phone", hide)
		if err != nil {
			t.Fatal(err)
		}
		shown, err := secure.MapFields(hidden, "items[*].phone", func(s string) (string, error) {
			raw, err := base64.StdEncoding.DecodeString(s)
			return string(raw[1:]), err
		})
		if err != nil || !bytes.Equal(shown, text.Bytes()) {
			t.Fatalf("%s became %s, %v", &text, shown, err)
		}
	})
}

func FuzzDecrypt(f *testing.F) {
	k := rsaKey()
	field, _ := k.Encrypt([]byte("x"))
	hybrid, _ := k.EncryptHybrid([]byte("x"), nil)
	f.Add(field)
	f.Add(hybrid)
	f.Add("....")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := (secure.KeySet{k}).Decrypt(text, []byte("a context")); !errors.Is(err, secure.ErrDecrypt) {
			t.Errorf("%q: %v", text, err)
		}
	})
}

func FuzzMapFields(f *testing.F) {
	f.Add(`{"a":{"b":["x","y"]}}`, "a.b[*]")
	f.Add(`[["x"]]`, "[0][0]")
	f.Fuzz(func(t *testing.T, text, path string) {
		same, err := secure.MapFields([]byte(text), path, func(s string) (string, error) { return s, nil })
		if err == nil && !json.Valid(same) {
			t.Errorf("%s of %s became %s", path, text, same)
		}
	})
}

func ExampleKey_Encrypt() {
	pair, err := secure.GenerateKey(secure.RS256, 2048)
	if err != nil {
		panic(err)
	}
	field, err := pair.Public().Encrypt([]byte("+86 138 0000 0000"))
	if err != nil {
		panic(err)
	}
	plaintext, err := secure.KeySet{pair}.Decrypt(field, nil)
	fmt.Println(string(plaintext), err)
	// Output: +86 138 0000 0000 <nil>
}

func ExampleKey_EncryptHybrid() {
	pair, err := secure.GenerateKey(secure.RS256, 2048)
	if err != nil {
		panic(err)
	}
	text, err := pair.Public().EncryptHybrid([]byte(strings.Repeat("long ", 1000)), []byte("user 1"))
	if err != nil {
		panic(err)
	}
	_, err = secure.KeySet{pair}.Decrypt(text, []byte("user 2"))
	fmt.Println(errors.Is(err, secure.ErrDecrypt))
	// Output: true
}

func ExampleMapFields() {
	text, err := secure.MapFields([]byte(`{"user": {"id": 1.50, "phone": "138"}}`), "user.phone",
		func(phone string) (string, error) { return strings.Repeat("*", len(phone)), nil })
	fmt.Println(string(text), err)
	// Output: {"user": {"id": 1.50, "phone": "***"}} <nil>
}
