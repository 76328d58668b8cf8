// Figures as SVG, put together from their parts: see svg.h.
#include "lab/svg.h"

#include <math.h>

#include "lab/svg_frame.h"
#include "lab/svg_text.h"

static bool is_sound(const sht_svg_axis *axis) {
  return isfinite(axis->minimum) && axis->maximum > axis->minimum && isfinite(axis->maximum) &&
         (!axis->logarithmic || axis->minimum > 0);
}

static void write_head(FILE *out, const sht__frame *f) {
  const sht_svg_figure *figure = f->figure;
  (void)fputs("<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\"", out);
  sht__svg_attribute(out, "width", figure->width);
  sht__svg_attribute(out, "height", f->total_height);
  (void)fputs(" viewBox=\"0 0 ", out);
  sht__xml_number(out, figure->width, 1);
  (void)fputc(' ', out);
  sht__xml_number(out, f->total_height, 1);
  (void)fprintf(out, "\" font-family=\"system-ui, 'Helvetica Neue', Arial, sans-serif\" aria-labelledby=\"%s-title\"",
                figure->id);
  sht__svg_attribute(out, "font-size", figure->font);
  (void)fprintf(out, ">\n<title id=\"%s-title\">", figure->id);
  sht__xml_text(out, figure->title);
  (void)fputs("</title>\n<desc>", out);
  sht__xml_text(out, figure->description);
  (void)fprintf(out, "</desc>\n<clipPath id=\"%s-clip\"><rect", figure->id);
  sht__svg_attribute(out, "x", f->left - 6);
  sht__svg_attribute(out, "y", f->top - 6);
  sht__svg_attribute(out, "width", f->right - f->left + 12);
  sht__svg_attribute(out, "height", f->bottom - f->top + 12);
  (void)fputs("/></clipPath>\n", out);
}

sht_status sht__svg_write(FILE *out, const sht_svg_figure *figure, sht_error *error) {
  if (figure->line_count > SHT_SVG_LINES_MAX) {
    return SHT_FAIL(error, SHT_INTERNAL, "%s: %zu lines in a figure, at most %d", figure->id, figure->line_count,
                    SHT_SVG_LINES_MAX);
  }
  if (!is_sound(&figure->x) || !is_sound(&figure->y)) {
    return SHT_FAIL(error, SHT_INTERNAL, "%s: a figure with an impossible axis", figure->id);
  }
  sht__frame f = sht__frame_make(figure);
  write_head(out, &f);
  sht__svg_heading_write(out, &f);
  sht__svg_axes_write(out, &f);
  (void)fprintf(out, "<g clip-path=\"url(#%s-clip)\">\n", figure->id);
  for (size_t i = 0; i < figure->line_count; i++) {
    sht__svg_line_write(out, &f, &figure->lines[i]);
  }
  (void)fputs("</g>\n", out);
  sht__svg_labels_write(out, &f);
  (void)fputs("</svg>\n", out);
  return SHT_OK;
}
