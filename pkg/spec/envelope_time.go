package spec

import (
	"strings"
	"time"
)

// pythonNow is the line of Python that makes a right time.
const pythonNow = "datetime.now(timezone.utc).isoformat()"

// badTime is a form in which times are found, though they should not be, with
// the line of Python that makes it.
type badTime struct {
	layout string // for time.Parse; without an offset it is read as UTC
	hint   string
}

var badTimes = [...]badTime{
	{"2006-01-02T15:04:05.999999999", `made by datetime.utcnow().isoformat() or datetime.now().isoformat(), which leave the offset out? write ` + pythonNow},
	{"2006-01-02T15:04:05.999999999-07:00Z", `made by datetime.now(timezone.utc).isoformat() + "Z"? an aware time already ends in its offset: leave out + "Z"`},
	{"2006-01-02 15:04:05.999999999-07:00", `made by str(datetime.now(timezone.utc))? write ` + pythonNow},
	{"2006-01-02 15:04:05.999999999", `made by str(datetime.utcnow()) or str(datetime.now())? write ` + pythonNow},
	{"2006-01-02 15:04:05.999999999Z", `made by str(datetime.utcnow()) + "Z"? write ` + pythonNow},
	{"2006-01-02T15:04:05.999999999-0700", `made by strftime("%Y-%m-%dT%H:%M:%S%z")? write ` + pythonNow},
	{time.ANSIC, `made by time.ctime()? write ` + pythonNow},
	{time.RFC1123, `made by email.utils.formatdate(usegmt=True)? write ` + pythonNow},
	{time.RFC1123Z, `made by email.utils.formatdate()? write ` + pythonNow},
	{"2006-01-02", `made by date.today().isoformat()? write ` + pythonNow},
}

// readTime reads the time of an envelope. On one that is not RFC 3339 it
// returns false, the time if it can be told, and a hint at what made it.
func readTime(text string) (t time.Time, hint string, ok bool) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, "", true
	}
	for _, bad := range badTimes {
		if t, err := time.Parse(bad.layout, text); err == nil {
			return t, bad.hint, false
		}
	}
	if strings.Trim(text, "0123456789.") == "" && text != "" {
		return time.Time{}, "made by str(time.time())? write " + pythonNow, false
	}
	return time.Time{}, "", false
}
