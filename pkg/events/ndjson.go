package events

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
)

// AppendRecord appends a record as one line of NDJSON, newline included:
//
//	{"topic":"…","partition":0,"offset":7,"timestamp":"2026-01-31T15:04:05.123Z","key":"u-1",
//	 "headers":[{"key":"x-request-id","value":"…"}],"value":{"meta":{…},"data":{…}}}
//
// A value that is JSON is passed through byte for byte, save that newlines
// between its tokens are taken out; any other is a base64 string, and
// "value_encoding":"base64" says so. A key or header value that is UTF-8 is a
// string, any other likewise base64 with key_encoding or value_encoding beside
// it; a null one is null. A null value, a tombstone, is null with
// "tombstone":true, since the JSON text null is a value. Headers are left out
// when there are none.
func AppendRecord(dst []byte, r *kgo.Record) []byte {
	dst = append(dst, `{"topic":`...)
	dst = appendString(dst, r.Topic)
	dst = append(dst, `,"partition":`...)
	dst = strconv.AppendInt(dst, int64(r.Partition), 10)
	dst = append(dst, `,"offset":`...)
	dst = strconv.AppendInt(dst, r.Offset, 10)
	dst = append(dst, `,"timestamp":"`...)
	dst = appendTime(dst, r.Timestamp)
	dst = append(dst, `","key":`...)
	dst = appendText(dst, "key", r.Key)
	dst = appendHeaders(dst, r.Headers)
	dst = append(dst, `,"value":`...)
	dst = appendValue(dst, r.Value)
	return append(dst, '}', '\n')
}

// appendTime writes RFC 3339 in UTC to the millisecond, which is all that
// Kafka keeps, about ten times faster than time.AppendFormat.
func appendTime(dst []byte, t time.Time) []byte {
	ms := t.UnixMilli()
	days, ofDay := ms/msPerDay, ms%msPerDay
	if ms < 0 || days >= daysTo10000 {
		return t.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	}
	year, month, day := civil(days)
	seconds := int(ofDay / 1000)
	dst = appendPair(appendPair(dst, year/100), year%100)
	dst = appendPair(append(dst, '-'), month)
	dst = appendPair(append(dst, '-'), day)
	dst = appendPair(append(dst, 'T'), seconds/3600)
	dst = appendPair(append(dst, ':'), seconds/60%60)
	dst = appendPair(append(dst, ':'), seconds%60)
	fraction := int(ofDay % 1000)
	return append(appendPair(append(dst, '.', byte('0'+fraction/100)), fraction%100), 'Z')
}

const (
	msPerDay    = 24 * 60 * 60 * 1000
	daysTo10000 = 2932897 // from 1970-01-01
)

// civil is the date of a day since 1970, by "chrono-Compatible Low-Level Date
// Algorithms" (Hinnant): years begin in March, so that the leap day is the last.
func civil(days int64) (year, month, day int) {
	z := int(days) + 719468
	era := z / 146097
	ofEra := z % 146097
	yearOfEra := (ofEra - ofEra/1460 + ofEra/36524 - ofEra/146096) / 365
	ofYear := ofEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	shifted := (5*ofYear + 2) / 153
	year, month, day = yearOfEra+era*400, shifted+3, ofYear-(153*shifted+2)/5+1
	if month > 12 {
		year, month = year+1, month-12
	}
	return year, month, day
}

// appendPair appends two digits.
func appendPair(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

func appendHeaders(dst []byte, headers []Header) []byte {
	if len(headers) == 0 {
		return dst
	}
	dst = append(dst, `,"headers":[`...)
	for i, h := range headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"key":`...)
		dst = appendString(dst, h.Key)
		dst = append(dst, `,"value":`...)
		dst = appendText(dst, "value", h.Value)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// appendText appends bytes that are usually text, as the field that was begun.
func appendText(dst []byte, field string, text []byte) []byte {
	switch {
	case text == nil:
		return append(dst, `null`...)
	case utf8.Valid(text):
		return appendString(dst, text)
	}
	return appendBase64(dst, field, text)
}

func appendValue(dst, value []byte) []byte {
	switch {
	case value == nil:
		return append(dst, `null,"tombstone":true`...)
	case !validJSON(value):
		return appendBase64(dst, "value", value)
	case bytes.IndexByte(value, '\n') >= 0 || bytes.IndexByte(value, '\r') >= 0:
		line := bytes.NewBuffer(dst)
		_ = json.Compact(line, value) // cannot fail: it is valid
		return line.Bytes()
	}
	return append(dst, value...)
}

func appendBase64(dst []byte, field string, raw []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, raw)
	dst = append(dst, `","`...)
	dst = append(dst, field...)
	return append(dst, `_encoding":"base64"`...)
}

// appendString appends a JSON string; the text is UTF-8, or nearly so: what is
// not is replaced.
func appendString[T string | []byte](dst []byte, text T) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, _ := json.Marshal(string(text)) // a string always marshals
			return append(dst, quoted...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, text...)
	return append(dst, '"')
}
