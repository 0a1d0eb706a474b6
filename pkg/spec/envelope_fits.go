package spec

// FitsTopic reports, several times faster than [Conventions.ParseEvent] and
// without allocating, that a value is an event without any problem whose type,
// source and major version are the topic's. When it says no it may be wrong, for
// instance about names that are written with escapes: ParseEvent and CheckTopic
// decide, and say why.
func (c *Conventions) FitsTopic(value []byte, t Topic) bool {
	r := envelopeReader{value: value}
	_, ok := r.fit(c, t)
	return ok
}

// fit is FitsTopic, and says where data is.
func (r *envelopeReader) fit(c *Conventions, t Topic) (data span, ok bool) {
	data, ok = r.scan(c)
	if !ok || r.repeated != nil || data == (span{}) || r.meta == (span{}) || !r.isObject {
		return data, false
	}
	meta, f := r.meta.of(r.value), &r.fields
	return data, len(plainText(meta, f.id)) > 0 &&
		fits(plainText(meta, f.typ), t.Event) &&
		fits(plainText(meta, f.source), t.Service) &&
		fitsVersion(plainText(meta, f.version), t.Version) &&
		isPlainTime(plainText(meta, f.time)) &&
		plainText(meta, f.correlation) != nil
}

// plainText is the text of a string without escapes; nil for any other value.
func plainText(meta []byte, s span) []byte {
	if s.end-s.start < 2 || meta[s.start] != '"' {
		return nil
	}
	text := meta[s.start+1 : s.end-1]
	if hasEscape(text) {
		return nil
	}
	return text
}

// fits reports that a part of an event is there, and is the topic's, if that
// has it.
func fits(got []byte, want string) bool {
	return len(got) > 0 && (want == "" || string(got) == want)
}

// fitsVersion takes the two usual forms, v1 and 1.0.
func fitsVersion(got []byte, want string) bool {
	if len(want) < 2 || want[0] != 'v' {
		return false
	}
	major, end := want[1:], len(got)-2
	return string(got) == want || end > 0 && string(got[end:]) == ".0" && string(got[:end]) == major
}

// isPlainTime takes the usual times of RFC 3339, but for a leap day.
func isPlainTime(b []byte) bool {
	const form = "0000-00-00T00:00:00"
	if len(b) <= len(form) {
		return false
	}
	for i := range len(form) {
		if isDigit(form[i]) && !isDigit(b[i]) || !isDigit(form[i]) && b[i] != form[i] {
			return false
		}
	}
	month, day := twoDigits(b[5:]), twoDigits(b[8:])
	if month < 1 || month > 12 || day < 1 || day > daysOf(month) || twoDigits(b[11:]) > 23 || twoDigits(b[14:]) > 59 || twoDigits(b[17:]) > 59 {
		return false
	}
	rest := b[len(form):]
	if rest[0] == '.' {
		end, ok := skipDigits(rest, 1)
		if !ok || end > 10 || end == len(rest) {
			return false
		}
		rest = rest[end:]
	}
	return string(rest) == "Z" || string(rest) == "+00:00"
}

// daysOf is how many days a month has in every year.
func daysOf(month int) int {
	switch month {
	case 2:
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func twoDigits(b []byte) int { return int(b[0]-'0')*10 + int(b[1]-'0') }
