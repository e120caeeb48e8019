<?php
// Fills a WordPress with posts, pictures and comments, through WordPress's own functions; for run.php.
//
//   content.php FIRST POSTS UPLOADS WIDTH
//
// The posts are numbered from FIRST; the first UPLOADS of them each get a picture, WIDTH pixels wide, of which
// WordPress makes its smaller sizes. The same number always gives the same text and the same picture.

[$first, $posts, $uploads, $width] = array_map('intval', $arguments);

/** Some paragraphs of text, with what is known to break backups: quotes, backslashes, accents, emoji. */
function sample_text(int $number): string
{
    $words = explode(' ', 'the vault below temple arch stone lamp keeper wrote: "it\'s here" C:\\new\\table café naïve '
        . 'Größe 東京 🏛️ 🗝️ 👩‍🚀 50% _under_ <em>old</em> bread and water under a low roof of brick; nobody counted the jars');
    mt_srand($number);
    $text = '';
    for ($paragraph = mt_rand(6, 24); $paragraph > 0; $paragraph--) {
        $chosen = array_map(fn() => $words[mt_rand(0, count($words) - 1)], range(1, mt_rand(30, 90)));
        $text .= "<!-- wp:paragraph -->\n<p>" . implode(' ', $chosen) . ".</p>\n<!-- /wp:paragraph -->\n\n";
    }
    return $text;
}

/** Makes a picture that deflates as badly as a photograph does, and gives its path: a JPEG, each fourth a PNG. */
function sample_picture(int $number, int $width): string
{
    mt_srand($number);
    [$across, $down] = [intdiv($width, 5), intdiv($width, 8)];
    $small = imagecreatetruecolor($across, $down);
    [$red, $green, $blue] = [mt_rand(30, 170), mt_rand(30, 170), mt_rand(30, 170)];
    for ($y = 0; $y < $down; $y++) {
        for ($x = 0; $x < $across; $x++) {
            $light = intdiv(50 * $y, $down) + mt_rand(-30, 30);
            imagesetpixel($small, $x, $y, imagecolorallocate($small, $red + $light, $green + $light, $blue + $light));
        }
    }
    $png = $number % 4 === 0;
    $picture = imagescale($small, $png ? intdiv($width, 2) : $width, -1, IMG_BICUBIC);
    $path = tempnam(sys_get_temp_dir(), 'picture');
    $png ? imagepng($picture, $path) : imagejpeg($picture, $path, 88);
    return $path;
}

/** Uploads a picture to a post as the media library does: a file, its smaller sizes, and rows that describe them. */
function upload_picture(int $number, int $width, int $post): void
{
    $name = sprintf('picture-%03d.%s', $number, $number % 4 === 0 ? 'png' : 'jpg');
    $file = ['name' => $name, 'tmp_name' => sample_picture($number, $width)];
    $attachment = media_handle_sideload($file, $post, "Picture $number 📷");
    if (is_wp_error($attachment)) {
        throw new RuntimeException("$name: " . $attachment->get_error_message());
    }
    set_post_thumbnail($post, $attachment);
}

for ($number = $first; $number < $first + $posts; $number++) {
    $post = wp_insert_post(wp_slash([
        'post_title' => "Letter $number from the undercroft 🏛️",
        'post_content' => sample_text($number),
        'post_status' => 'publish',
        'post_author' => 1,
    ]), true);
    if (is_wp_error($post)) {
        throw new RuntimeException("Post $number: " . $post->get_error_message());
    }
    if ($number < $first + $uploads) {
        upload_picture($number, $width, $post);
    }
    wp_insert_comment(wp_slash([
        'comment_post_ID' => $post,
        'comment_author' => 'Zoë',
        'comment_content' => "It's letter \\$number 👍",
    ]));
}
