package benchpage

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"strconv"
	"time"

	"github.com/suokelife/suokectl/pkg/rpc/load"
)

//go:embed page.html
var source string

// view is what the template reads.
type view struct {
	*load.Result
	Before     *load.Result
	Comparison *load.Comparison
	Plots      []plot
}

// Render draws a result, beside an earlier one and what changed when these are
// not nil.
func Render(r, before *load.Result, c *load.Comparison) ([]byte, error) {
	page, err := template.New("page").Funcs(template.FuncMap{
		"ms": label3, "count": count, "share": share, "when": when, "instance": instanceName, "p": probability,
		"left": func() int { return left }, "right": func() int { return right }, "top": func() int { return top },
		"width": func() int { return width }, "below": func(y int) int { return y + 16 },
	}).Parse(source)
	if err != nil {
		return nil, err
	}
	v := view{Result: r, Before: before, Comparison: c, Plots: []plot{spread(r), curve(r, before), course(r), flow(r), instances(r)}}
	var out bytes.Buffer
	if err := page.Execute(&out, v); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func when(ms float64) string {
	return time.Duration(ms * float64(time.Millisecond)).Round(time.Millisecond).String()
}

// label3 has three digits, and all those before the point.
func label3(v float64) string {
	switch {
	case v >= 100:
		return count(int(math.Round(v)))
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= 1 || v == 0:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
}

func count(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func share(part, of int) string {
	if of == 0 {
		return "0 %"
	}
	return fmt.Sprintf("%.2f %%", 100*float64(part)/float64(of))
}

func probability(p *float64) string {
	if p == nil {
		return "–"
	}
	if *p < 0.001 {
		return "< 0.001"
	}
	return fmt.Sprintf("%.3f", *p)
}

func instanceName(i load.Instance) string {
	if i.Instance == "" {
		return "sent to none"
	}
	return i.Instance
}
