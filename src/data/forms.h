// The ten forms that the built-in data set draws, as distances to an outline.
#ifndef SHT_DATA_FORMS_H
#define SHT_DATA_FORMS_H

enum { SHT_FORMS = 10 };

// "disc", "ring", "square", "frame", "triangle", "star", "cross", "crescent", "corner", "bars".
extern const char *const sht__form_names[SHT_FORMS];

// Every form lies within this distance of its centre.
#define SHT_FORM_REACH 1.9

// Distance of (x, y) to the outline of a form of area SHT_FORM_AREA centred on its centroid: negative inside, exact on
// the outline, a lower bound of the distance elsewhere. Only + - * / sqrt and comparisons, so the same bits everywhere.
#define SHT_FORM_AREA 2.2
double sht__form_distance(int form, double x, double y);

#endif
