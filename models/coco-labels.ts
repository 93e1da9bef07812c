/**
 * Class names of COCO by the 91 ids of its annotation files, 0 being the background; ten ids
 * were never used and are "". Source: mscoco_label_map.pbtxt of TensorFlow's object detection
 * models.
 */
export const COCO_LABELS: readonly string[] = `\
background|person|bicycle|car|motorcycle|airplane|bus|train|truck|boat|traffic light|\
fire hydrant||stop sign|parking meter|bench|bird|cat|dog|horse|sheep|cow|elephant|bear|zebra|\
giraffe||backpack|umbrella|||handbag|tie|suitcase|frisbee|skis|snowboard|sports ball|kite|\
baseball bat|baseball glove|skateboard|surfboard|tennis racket|bottle||wine glass|cup|fork|\
knife|spoon|bowl|banana|apple|sandwich|orange|broccoli|carrot|hot dog|pizza|donut|cake|chair|\
couch|potted plant|bed||dining table|||toilet||tv|laptop|mouse|remote|keyboard|cell phone|\
microwave|oven|toaster|sink|refrigerator||book|clock|vase|scissors|teddy bear|hair drier|\
toothbrush`.split("|");

/** The 80 names in use, as most models number them. */
export const COCO_80_LABELS: readonly string[] = COCO_LABELS.slice(1).filter((name) => name !== "");
