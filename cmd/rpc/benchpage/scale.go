package benchpage

import (
	"math"
	"strconv"
)

// scale maps values to coordinates.
type scale struct {
	log      bool
	min, max float64 // values
	from, to float64 // coordinates
}

// linear begins at 0.
func linear(most, from, to float64) scale {
	if most <= 0 {
		most = 1
	}
	return scale{max: most, from: from, to: to}
}

// logarithmic has some room for values that are all the same.
func logarithmic(least, most, from, to float64) scale {
	least = max(least, 1e-3)
	most = max(most, least)
	if most < least*2 {
		least, most = least/1.5, most*1.5
	}
	return scale{log: true, min: least, max: most, from: from, to: to}
}

func (s scale) at(v float64) float64 {
	share := (v - s.min) / (s.max - s.min)
	if s.log {
		share = math.Log(max(v, s.min)/s.min) / math.Log(s.max/s.min)
	}
	return s.from + min(max(share, 0), 1)*(s.to-s.from)
}

// tick is a mark of an axis.
type tick struct {
	At    float64
	Label string
}

func (s scale) ticks() []tick {
	var list []tick
	for _, v := range s.marks() {
		list = append(list, tick{At: round(s.at(v)), Label: label(v)})
	}
	return list
}

// marks are round values, about five of them.
func (s scale) marks() []float64 {
	var list []float64
	if !s.log {
		step := roundStep((s.max - s.min) / 5)
		for i := 0; float64(i)*step <= s.max*1.0001; i++ {
			list = append(list, float64(i)*step)
		}
		return list
	}
	decades := math.Log10(s.max / s.min)
	factors := []float64{1}
	if decades < 4 {
		factors = []float64{1, 3}
	}
	if decades < 2 {
		factors = []float64{1, 2, 5}
	}
	if decades < 0.7 {
		factors = []float64{1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9}
	}
	for decade := math.Floor(math.Log10(s.min)); decade <= math.Log10(s.max); decade++ {
		for _, factor := range factors {
			if v := factor * math.Pow(10, decade); v >= s.min && v <= s.max {
				list = append(list, v)
			}
		}
	}
	return list
}

// roundStep is the next of 1, 2 or 5 times a power of ten.
func roundStep(least float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, factor := range []float64{1, 2, 5} {
		if factor*power >= least {
			return factor * power
		}
	}
	return 10 * power
}

func label(v float64) string {
	switch {
	case v >= 1e6:
		return strconv.FormatFloat(v/1e6, 'g', 4, 64) + "M"
	case v >= 1e4:
		return strconv.FormatFloat(v/1e3, 'g', 4, 64) + "k"
	default:
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
}

// round keeps the page small.
func round(v float64) float64 { return math.Round(v*10) / 10 }
